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

    #[test]
    fn a_worker_that_got_going_begins_its_pauses_anew_and_another_runs_out_of_them() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU64, Ordering};

        use super::super::progress::Standing;
        let milliseconds = Arc::new(AtomicU64::new(0));
        let (clock, progress) = (Clock::simulated(Arc::clone(&milliseconds)), Progress::new(Standing::default()));
        let mut pauses = Pauses::new(&clock);
        progress.enter(WorkerState::Live);
        // Each attempt fails at once but for those that run a minute.
        let mut attempts = |run_ms: u64, times: usize| {
            let next = |_| {
                milliseconds.fetch_add(run_ms, Ordering::Relaxed);
                let pause = pauses.next(&progress)?;
                milliseconds.fetch_add(u64::try_from(pause.as_millis()).unwrap_or(0) + 1, Ordering::Relaxed);
                Some(pause)
            };
            (0..times).map(next).take_while(Option::is_some).count()
        };
        assert_eq!(attempts(60_000, 2 * ATTEMPTS), 2 * ATTEMPTS);
        assert_eq!(attempts(1000, 2 * ATTEMPTS), ATTEMPTS - 1, "the last that ran a minute took one");
        assert_eq!(progress.standing().state, WorkerState::CatchingUp);
    }

    #[test]
    fn what_the_log_did_not_answer_is_asked_again() {
        let away = |at| Error::unavailable(at, "away");
        for (error, is_the_logs_fault, is_worth) in [
            (away(At::Log), true, true),
            (away(At::Frame), false, true),
            (Error::corrupt(At::Log, "damaged"), true, true),
            (Error::corrupt(At::Frame, "damaged"), false, false),
            (Error::refused(At::Log, "no"), false, false),
        ] {
            assert_eq!((is_the_logs(&error), is_worth_another(&error)), (is_the_logs_fault, is_worth), "{error}");
        }
    }
}
