//! A digest of rows that does not depend on their order, so that it can be kept while rows change.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::keys;

/// Fixed, for equal rows must give equal digests on every machine: it finds faults, not forgers.
const KEY: [u8; 16] = *b"orderledger rows";

/// The wrapping sum of SipHash-2-4-128 over (key length, key, value) of every row, and how many rows there are.
/// [Bookkeeping](keys::is_bookkeeping) is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsDigest {
    /// The sum.
    pub sum: u128,
    /// The number of rows.
    pub rows: u64,
}

impl RowsDigest {
    /// A row came.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        if keys::is_bookkeeping(key) {
            return;
        }
        self.sum = self.sum.wrapping_add(hash(key, value));
        self.rows = self.rows.wrapping_add(1);
    }

    /// A row went.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        if keys::is_bookkeeping(key) {
            return;
        }
        self.sum = self.sum.wrapping_sub(hash(key, value));
        self.rows = self.rows.wrapping_sub(1);
    }
}

fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new_with_key(&KEY);
    hasher.write(&u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.write(key);
    hasher.write(value);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_a_removed_row_leaves_nothing() {
        let (mut one, mut other) = (RowsDigest::default(), RowsDigest::default());
        one.add(b"a", b"1");
        one.add(b"b", b"2");
        other.add(b"b", b"2");
        other.add(b"c", b"3");
        other.add(b"a", b"1");
        other.remove(b"c", b"3");
        assert_eq!(one, other);
        other.remove(b"a", b"1");
        other.remove(b"b", b"2");
        assert_eq!(other, RowsDigest::default());
    }

    #[test]
    fn a_row_has_this_digest_for_ever() {
        let mut digest = RowsDigest::default();
        digest.add(b"key", b"value");
        assert_eq!(format!("{:032x}", digest.sum), "8191107890dc7b5eb913e6893c2648c1");
    }

    #[test]
    fn bookkeeping_leaves_no_trace() {
        let mut digest = RowsDigest::default();
        digest.add(&[keys::BOOKKEEPING, 1], b"1");
        digest.remove(&[keys::PARKED_BLOCK], b"2");
        assert_eq!(digest, RowsDigest::default());
    }

    #[test]
    fn a_byte_moved_from_key_to_value_is_another_row() {
        let (mut one, mut other) = (RowsDigest::default(), RowsDigest::default());
        one.add(b"ab", b"c");
        other.add(b"a", b"bc");
        assert_ne!(one, other);
    }
}
