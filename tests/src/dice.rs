//! The randomness of one seed.

/// splitmix64 (Steele, Lea, Flood 2014): small, and good enough to choose what happens.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Dice of their own for one part of a seed: what another part throws doesn't change them.
    pub fn of(seed: u64, part: &str) -> Dice {
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

    /// From `from` to below `to`; `from` if there is nothing between.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        let next = self.next();
        from + next.checked_rem(to.saturating_sub(from)).unwrap_or_default()
    }

    /// In so many of a hundred throws.
    pub fn percent(&mut self, of_hundred: u64) -> bool {
        self.range(0, 100) < of_hundred
    }

    /// In so many of a thousand throws.
    pub fn permille(&mut self, of_thousand: u64) -> bool {
        self.range(0, 1000) < of_thousand
    }

    /// A place in a list of that length; 0 in an empty one.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.range(0, u64::try_from(length).unwrap_or(u64::MAX))).unwrap_or_default()
    }

    /// One of those; none of none.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.place(from.len()))
    }

    /// One of at least one.
    pub fn pick<'a, T, const N: usize>(&mut self, from: &'a [T; N]) -> &'a T {
        const { assert!(N > 0, "one of none") };
        self.choose(from).unwrap_or(&from[0])
    }

    /// Other dice, for somebody else.
    #[must_use]
    pub fn fork(&mut self) -> Dice {
        Dice(self.next())
    }
}
