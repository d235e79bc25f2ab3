//! The randomness of one seed.

/// splitmix64 (Steele, Lea, Flood 2014): small, and good enough to choose what happens.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for one part of a seed: what another part throws doesn't change them.
    pub(crate) fn of(seed: u64, part: &str) -> Dice {
        let mixed = part.bytes().fold(seed, |mixed, byte| Dice(mixed ^ u64::from(byte)).next());
        Dice(mixed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `from` to below `to`.
    pub(crate) fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// A place in a list of that length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.range(0, u64::try_from(length).unwrap())).unwrap()
    }

    /// In so many of a hundred throws.
    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.range(0, 100) < of_hundred
    }

    /// In so many of a thousand throws.
    pub(crate) fn permille(&mut self, of_thousand: u64) -> bool {
        self.range(0, 1000) < of_thousand
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.place(from.len())]
    }
}
