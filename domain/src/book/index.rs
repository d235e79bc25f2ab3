//! From an order's number to its slot.

use std::hash::{BuildHasher, Hasher};

/// Slots by order number; never iterated, so that no hash order can reach an output.
pub(super) type Index = hashbrown::HashMap<u64, u32, Multiply>;

/// Makes the one hash function: a wide multiplication, the same in every process.
///
/// The keys are numbers that the ledger hands out itself, so nobody outside can choose colliding ones.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Multiply;

impl BuildHasher for Multiply {
    type Hasher = Product;

    fn build_hasher(&self) -> Product {
        Product(0)
    }
}

/// The state of [`Multiply`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Product(u64);

impl Hasher for Product {
    fn write_u64(&mut self, key: u64) {
        // 2^64 by the golden ratio, odd. Both halves of the product: hashbrown reads its lowest and highest bits.
        let product = u128::from(self.0 ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (product >> 64) as u64 ^ product as u64;
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
