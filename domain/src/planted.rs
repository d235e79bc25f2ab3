//! Deliberately planted bugs: each shows that the tests which should find it do.
//!
//! Without the feature `faults` none can be switched on, and asking costs nothing.

/// A bug that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Intake doesn't look whether an id was used before: a repeated deposit counts twice.
    SkippedDeduplication = 1,
    /// A fee is rounded down instead of up.
    FeeRoundedDown,
}

impl Bug {
    /// All of them.
    pub const ALL: &[Bug] = &[Bug::SkippedDeduplication, Bug::FeeRoundedDown];
}

/// Whether the bug is switched on.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "faults")]
pub use switch::{is, plant};

#[cfg(feature = "faults")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// The number of the bug that is on, 0 for none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    /// Switches one bug on for the whole process, or all off.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as u8), Ordering::Relaxed);
    }

    /// Whether the bug is switched on.
    pub fn is(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8
    }
}
