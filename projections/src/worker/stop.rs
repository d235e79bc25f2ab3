//! The wish to end, seen by every worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a sleep goes on after the end was asked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Set once; every loop looks at it between two batches.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks every worker to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps, but not on after the end was asked for.
    pub fn sleep(&self, pause: Duration) {
        let deadline = Instant::now() + pause;
        while !self.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sleeps_on_after_the_end_was_asked_for() {
        let stop = Stop::default();
        stop.set();
        let begun = Instant::now();
        stop.sleep(Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
