//! Which partition a key belongs to: `murmur2(key) & 0x7fffffff % partitions`, equal to the Java client's default
//! (org.apache.kafka.common.utils.Utils.murmur2).

/// The partition of a key among `partitions`; 0 when there are none.
pub fn of_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}

/// Kafka's 32-bit murmur2 with the seed 0x9747b28c.
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut h = 0x9747_b28c_u32 ^ length;
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = chunk.iter().rev().fold(0_u32, |k, byte| (k << 8) | u32::from(*byte)).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        h ^= rest.iter().rev().fold(0_u32, |k, byte| (k << 8) | u32::from(*byte));
        h = h.wrapping_mul(M);
    }
    h = (h ^ (h >> 13)).wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Made with the Java client itself: the table's head says how.
    const TABLE: &str = include_str!("../tests/partitions.txt");

    #[test]
    fn chooses_the_partitions_that_the_java_client_chooses() {
        let mut keys = 0;
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let (numbers, text) = line.split_once(" \"").unwrap();
            let numbers: Vec<i64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
            let [hash, of_1, of_3, of_12, of_100, times] = numbers[..] else { panic!("{line}") };
            let key = text.strip_suffix('"').unwrap().repeat(usize::try_from(times).unwrap());
            assert_eq!(i64::from(murmur2(key.as_bytes()).cast_signed()), hash, "{line}");
            let chosen = [1, 3, 12, 100].map(|partitions| i64::from(of_key(key.as_bytes(), partitions)));
            assert_eq!(chosen, [of_1, of_3, of_12, of_100], "{line}");
            keys += 1;
        }
        assert!(keys >= 40, "{keys} keys");
    }
}
