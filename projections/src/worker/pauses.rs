//! Pauses between attempts: growing, with jitter, bounded in number; a worker that got going begins them anew.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use orderledger_store::{At, Error};

use super::clock::Clock;
use super::progress::{Progress, WorkerState};

/// How often a worker begins again without having got going in between: about five minutes.
const ATTEMPTS: usize = 16;
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// A worker that ran so long got going.
const GOT_GOING: Duration = Duration::from_secs(60);

/// The pauses of one worker.
pub struct Pauses {
    clock: Clock,
    left: ExponentialBackoff,
    /// When the attempt that runs began.
    begun: Duration,
}

impl Pauses {
    /// Pauses of a worker whose first attempt begins now.
    pub fn new(clock: &Clock) -> Pauses {
        let mut pauses = ExponentialBuilder::default().with_min_delay(FIRST).with_max_delay(LONGEST).with_jitter();
        if let Some(seed) = clock.seed() {
            pauses = pauses.with_jitter_seed(seed);
        }
        Pauses { clock: clock.clone(), left: pauses.with_max_times(ATTEMPTS).build(), begun: clock.now() }
    }

    /// How long to wait before the next attempt, and says that the worker isn't live meanwhile. `None` if there is to be none:
    /// there were too many.
    pub fn next(&mut self, progress: &Progress) -> Option<Duration> {
        progress.enter(WorkerState::CatchingUp);
        let now = self.clock.now();
        if now.saturating_sub(self.begun) >= GOT_GOING {
            *self = Pauses::new(&self.clock);
        }
        let pause = self.left.next()?;
        self.begun = now.saturating_add(pause);
        Some(pause)
    }
}

/// Whether trying again may help: nothing was lost, only not answered.
pub const fn is_worth_another(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. }) || is_the_logs(error)
}

/// Whether the log, and not what is kept beside it, gave no answer, or a damaged one: the next may be whole.
pub const fn is_the_logs(error: &Error) -> bool {
    matches!(
        error,
        Error::Unavailable { at: At::Log | At::Partition(_) | At::Position(_), .. }
            | Error::Corrupt { at: At::Log | At::Partition(_) | At::Position(_), .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bounded_number_of_attempts() {
        assert_eq!(Pauses::new(&Clock::default()).left.count(), ATTEMPTS);
    }
}
