//! From an order's number to its slot.

use std::hash::{BuildHasher, Hasher};

/// Slots by order number; never iterated, so that no hash order can reach an output.
pub(super) type Index = hashbrown::HashMap<u64, u32, Blocks>;

/// Makes the one hash function, the same in every process.
///
/// The keys are numbers that the ledger hands out itself, so nobody outside can choose colliding ones. They grow, and
/// orders come and go in about that order: 64 neighbours stay neighbours in the table, which spares cache misses, and
/// the blocks are spread by a wide multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocks;

impl BuildHasher for Blocks {
    type Hasher = Hashed;

    fn build_hasher(&self) -> Hashed {
        Hashed(0)
    }
}

/// The state of [`Blocks`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed(u64);

/// 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// hashbrown finds the place by the lowest bits and tells neighbours apart by the highest seven.
const TAG: u64 = 0xfe00_0000_0000_0000;

impl Hasher for Hashed {
    fn write_u64(&mut self, key: u64) {
        let key = key ^ self.0;
        let (within, block) = (key & 63, key >> 6);
        let product = u128::from(block).wrapping_mul(u128::from(SPREAD));
        let spread = (product >> 64) as u64 ^ product as u64;
        self.0 = ((spread << 6) | within) ^ (key.wrapping_mul(SPREAD) & TAG);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
