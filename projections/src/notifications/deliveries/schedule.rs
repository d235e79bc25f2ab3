//! When a delivery that failed is tried again.

use std::time::Duration;

/// What is sent again is given up after so many attempts: who asked for it asks once more.
pub const AGAIN_ATTEMPTS: u32 = 3;

/// When a delivery that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// After the first failure.
    pub first: Duration,
    /// Each pause is so many times the one before it.
    pub factor: u32,
    /// But no longer than this.
    pub longest: Duration,
    /// After so many attempts it is given up.
    pub attempts: u32,
}

impl Default for Schedule {
    /// 5 s, 15 s, 45 s, 2 min, 7 min, 20 min, 1 h, 3 h and then every 6 h: 14 attempts in about 30 hours.
    fn default() -> Schedule {
        Schedule { first: Duration::from_secs(5), factor: 3, longest: Duration::from_secs(6 * 3600), attempts: 14 }
    }
}

impl Schedule {
    /// The longest pause after so many attempts.
    pub fn pause(&self, attempts: u32) -> Duration {
        let times = self.factor.checked_pow(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.checked_mul(times).unwrap_or(self.longest).min(self.longest)
    }

    /// Up to a fifth shorter, by chance: what failed at one moment doesn't come back at one.
    pub(super) fn some_pause(&self, attempts: u32) -> Duration {
        self.pause(attempts).mul_f64(1.0 - fastrand::f64() / 5.0)
    }

    /// After so many attempts it is given up.
    pub(super) fn attempts_of(&self, is_again: bool) -> u32 {
        if is_again { self.attempts.min(AGAIN_ATTEMPTS) } else { self.attempts }
    }
}
