//! Pauses between attempts: growing, with jitter, bounded in number; a worker that got going begins them anew.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use orderledger_store::{At, Error};

use super::progress::{Progress, WorkerState};
use super::stop::Stop;

/// How often a worker begins again without having got going in between: about five minutes.
const ATTEMPTS: usize = 16;
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// A worker that ran so long got going.
const GOT_GOING: Duration = Duration::from_secs(60);

/// The pauses of one worker.
pub struct Pauses {
    left: ExponentialBackoff,
    begun: Instant,
}

impl Default for Pauses {
    fn default() -> Pauses {
        let pauses = ExponentialBuilder::default().with_min_delay(FIRST).with_max_delay(LONGEST).with_jitter();
        Pauses { left: pauses.with_max_times(ATTEMPTS).build(), begun: Instant::now() }
    }
}

impl Pauses {
    /// Waits before the next attempt, and says that the worker isn't live meanwhile. False if there is to be none: there were
    /// too many, or the end was asked for.
    pub fn wait(&mut self, stop: &Stop, progress: &Progress) -> bool {
        progress.enter(WorkerState::CatchingUp);
        if self.begun.elapsed() >= GOT_GOING {
            *self = Pauses::default();
        }
        let Some(pause) = self.left.next() else { return false };
        stop.sleep(pause);
        self.begun = Instant::now();
        !stop.is_set()
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
    use crate::worker::progress::Standing;

    #[test]
    fn pauses_end_at_once_when_the_end_is_asked_for() {
        let stop = Stop::default();
        stop.set();
        let begun = Instant::now();
        assert!(!Pauses::default().wait(&stop, &Progress::new(Standing::default())));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn there_is_a_bounded_number_of_attempts() {
        assert_eq!(Pauses::default().left.count(), ATTEMPTS);
    }
}
