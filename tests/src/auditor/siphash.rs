//! SipHash-2-4 (Aumasson, Bernstein 2012), written from the paper: the digests of streams.

/// The digest of a record's parts under a key of 16 bytes: of each its length and its bytes, of an absent one the length
/// 2⁶⁴-1.
pub(super) fn digest(secret: &[u8; 16], parts: &[Option<&[u8]>]) -> u64 {
    let mut message = Vec::new();
    for part in parts {
        let length = part.map_or(u64::MAX, |bytes| bytes.len() as u64);
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(part.unwrap_or_default());
    }
    siphash(secret, &message)
}

fn siphash(secret: &[u8; 16], message: &[u8]) -> u64 {
    let number = u128::from_le_bytes(*secret);
    let (k0, k1) = (number as u64, (number >> 64) as u64);
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut words = message.chunks_exact(8);
    for word in &mut words {
        compress(&mut v, little_endian(word));
    }
    compress(&mut v, little_endian(words.remainder()) | ((message.len() as u64) << 56));
    let [v0, v1, v2, v3] = v;
    v = [v0, v1, v2 ^ 0xff, v3];
    for _ in 0..4 {
        round(&mut v);
    }
    v.iter().fold(0, |sum, word| sum ^ word)
}

/// At most 8 bytes as a number, the missing ones 0.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn compress(v: &mut [u64; 4], word: u64) {
    let [v0, v1, v2, v3] = *v;
    *v = [v0, v1, v2, v3 ^ word];
    round(v);
    round(v);
    let [v0, v1, v2, v3] = *v;
    *v = [v0 ^ word, v1, v2, v3];
}

fn round(v: &mut [u64; 4]) {
    let [mut v0, mut v1, mut v2, mut v3] = *v;
    v0 = v0.wrapping_add(v1);
    v1 = v1.rotate_left(13) ^ v0;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v3);
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.wrapping_add(v3);
    v3 = v3.rotate_left(21) ^ v0;
    v2 = v2.wrapping_add(v1);
    v1 = v1.rotate_left(17) ^ v2;
    v2 = v2.rotate_left(32);
    *v = [v0, v1, v2, v3];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_the_value_of_the_paper() {
        let secret: [u8; 16] = std::array::from_fn(|place| place as u8);
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(&secret, &message), 0xa129_ca61_49be_45e5);
    }
}
