//! The longest common subsequence of two rows: how much of one stands in the other, in the same order.

use std::collections::BTreeMap;

const WORD_BITS: usize = 64;

/// How long the longest common subsequence is. Bit-parallel (Crochemore, Iliopoulos, Pinzon, Reid 2001): one bit for
/// each item of `left`, 0 where the length grows; each item of `right` is one addition over all bits.
pub fn longest_common<T: Ord>(left: &[T], right: &[T]) -> usize {
    let mut places: BTreeMap<&T, Vec<usize>> = BTreeMap::new();
    for (place, item) in left.iter().enumerate() {
        places.entry(item).or_default().push(place);
    }
    let mut bits = vec![u64::MAX; left.len().div_ceil(WORD_BITS)];
    let mut matches = vec![0_u64; bits.len()];
    for at in right.iter().filter_map(|item| places.get(item)) {
        mark(&mut matches, at);
        let mut carry = false;
        for (bits, matches) in bits.iter_mut().zip(&matches) {
            let (sum, over) = bits.overflowing_add(*bits & matches);
            let (sum, over_carry) = sum.overflowing_add(u64::from(carry));
            *bits = sum | (*bits & !matches);
            carry = over || over_carry;
        }
        mark(&mut matches, at);
    }
    // Bits behind the last item have no match, so they stay 1.
    bits.iter().map(|bits| bits.count_zeros() as usize).sum()
}

/// Flips the bits of those places.
fn mark(matches: &mut [u64], places: &[usize]) {
    for place in places {
        if let Some(word) = matches.get_mut(place / WORD_BITS) {
            *word ^= 1 << (place % WORD_BITS);
        }
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// The textbook table.
    fn naive(left: &[u8], right: &[u8]) -> usize {
        let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
        for (i, a) in left.iter().enumerate() {
            for (j, b) in right.iter().enumerate() {
                table[i + 1][j + 1] = if a == b { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
            }
        }
        table[left.len()][right.len()]
    }

    #[test]
    fn small_rows() {
        for (left, right, expected) in
            [("", "", 0), ("a", "", 0), ("abcbdab", "bdcaba", 4), ("aaaa", "aa", 2), ("abc", "cba", 1)]
        {
            assert_eq!(longest_common(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
        }
    }

    #[test]
    fn long_rows_as_the_textbook_says() {
        let mut seed = 7_u64;
        let mut row = |length: usize, letters: u64| -> Vec<u8> {
            let mut next = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u8::try_from((seed >> 33) % letters).unwrap_or(0)
            };
            (0..length).map(|_| next()).collect()
        };
        for (left, right, letters) in [(64, 64, 3), (65, 200, 2), (300, 130, 50), (640, 500, 200), (1, 70, 2)] {
            let (left, right) = (row(left, letters), row(right, letters));
            assert_eq!(longest_common(&left, &right), naive(&left, &right));
        }
    }
}
