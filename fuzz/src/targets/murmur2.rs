//! Partitions of keys: the fast murmur2 against a literal transcription of the Java client's.

use orderledger_domain::partition;

pub fn run(data: &[u8]) {
    let java = java_murmur2(data);
    assert_eq!(partition::murmur2(data), java as u32);
    for partitions in [1, 3, 12, 1000] {
        let expected = (java & 0x7fff_ffff) % partitions;
        assert_eq!(partition::of_key(data, partitions as u32), expected as u32);
    }
    assert_eq!(partition::of_key(data, 0), 0);
}

/// org.apache.kafka.common.utils.Utils.murmur2, statement by statement.
fn java_murmur2(data: &[u8]) -> i32 {
    let length = data.len() as i32;
    let seed = 0x9747_b28c_u32 as i32;
    let (m, r) = (0x5bd1_e995, 24);
    let mut h: i32 = seed ^ length;
    let at = |i: i32| i32::from(data[i as usize]) & 0xff;
    for i in 0..length / 4 {
        let i4 = i * 4;
        let mut k = at(i4) + (at(i4 + 1) << 8) + (at(i4 + 2) << 16) + (at(i4 + 3) << 24);
        k = k.wrapping_mul(m);
        k ^= ((k as u32) >> r) as i32;
        k = k.wrapping_mul(m);
        h = h.wrapping_mul(m);
        h ^= k;
    }
    let rest = length & !3;
    match length % 4 {
        3 => h ^= (at(rest + 2) << 16) ^ (at(rest + 1) << 8) ^ at(rest),
        2 => h ^= (at(rest + 1) << 8) ^ at(rest),
        1 => h ^= at(rest),
        _ => return finish(h),
    }
    finish(h.wrapping_mul(m))
}

fn finish(mut h: i32) -> i32 {
    h ^= ((h as u32) >> 13) as i32;
    h = h.wrapping_mul(0x5bd1_e995);
    h ^ ((h as u32) >> 15) as i32
}
