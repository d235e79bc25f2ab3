//! Letting others go first: work that may lag waits while those that somebody waits for are behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// So long at most from one batch to the next, however far behind the others are: it never stands still.
const LONGEST: Duration = Duration::from_secs(1);
/// How often it looks whether they have caught up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether those who go first are behind; who watches them says so, who may lag looks at it between two batches.
#[derive(Clone, Debug, Default)]
pub struct Courtesy(Arc<AtomicBool>);

impl Courtesy {
    /// Says whether they are.
    pub fn ask(&self, are_behind: bool) {
        self.0.store(are_behind, Ordering::Release);
    }

    /// Whether they are.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits while they are, a bounded time; `sleep` returns early where there is something else to look at, and says whether so.
    pub(super) fn give_way(&self, mut sleep: impl FnMut(Duration) -> bool) {
        let begun = Instant::now();
        while self.is_asked() {
            let left = LONGEST.saturating_sub(begun.elapsed());
            if left.is_zero() || sleep(left.min(LOOK_EVERY)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_while_others_are_behind_but_not_for_ever() {
        let courtesy = Courtesy::default();
        let mut slept = 0;
        courtesy.give_way(|_| {
            slept += 1;
            false
        });
        assert_eq!(slept, 0, "nobody is behind");
        courtesy.ask(true);
        courtesy.give_way(|_| {
            slept += 1;
            courtesy.ask(slept < 3);
            false
        });
        assert_eq!(slept, 3, "until they have caught up");
        courtesy.ask(true);
        courtesy.give_way(|_| {
            slept += 1;
            true
        });
        assert_eq!(slept, 4, "or something else is to be looked at");
        let begun = Instant::now();
        courtesy.give_way(|pause| {
            std::thread::sleep(pause);
            false
        });
        assert!(begun.elapsed() >= LONGEST && courtesy.is_asked());
    }
}
