//! Letting a projection rest between two batches, so that its view stands still while somebody compares or replaces it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stop::Stop;

/// How often it is looked whether the program is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a projection and whoever wants it to rest know of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    /// Somebody waits for it to rest.
    Asked,
    /// It rests: everything committed is in its view's files, and nothing more comes.
    Resting,
    /// It is to end without a word: another one goes on in its place.
    Relieved,
    /// Its thread has ended.
    Ended,
}

/// One projection's rest; both sides have it.
#[derive(Clone, Debug, Default)]
pub struct Rest(Arc<(Mutex<State>, Condvar)>);

impl Rest {
    /// Of a projection that was never started.
    pub fn ended() -> Rest {
        let rest = Rest::default();
        rest.end();
        rest
    }

    /// Asks the projection to rest and waits for it; false if it didn't in time, and goes on then. One that has ended rests
    /// for good. One at a time asks.
    pub fn ask(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        if *state == State::Running {
            *state = State::Asked;
            self.0.1.notify_all();
        }
        while *state == State::Asked {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *state = State::Running;
                return false;
            }
            state = self.0.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.enter(State::Running);
    }

    /// Lets it end; what it published stays as it is, for its successor to go on from.
    pub fn relieve(&self) {
        self.enter(State::Relieved);
    }

    /// Whether its thread has ended.
    pub fn has_ended(&self) -> bool {
        *self.lock() == State::Ended
    }

    /// Whether it was let rest, and hasn't gone on since.
    pub fn is_resting(&self) -> bool {
        *self.lock() == State::Resting
    }

    fn enter(&self, next: State) {
        let mut state = self.lock();
        if *state != State::Ended {
            *state = next;
        }
        self.0.1.notify_all();
    }

    /// Whether somebody waits for a rest.
    pub(super) fn is_asked(&self) -> bool {
        *self.lock() == State::Asked
    }

    /// Sleeps, but not on after the end was asked for, or a rest.
    pub(super) fn sleep(&self, stop: &Stop, pause: Duration) {
        let deadline = Instant::now() + pause;
        let mut state = self.lock();
        while !stop.is_set() && *state != State::Asked {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.1.wait_timeout(state, left.min(LOOK_EVERY)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Rests until it may go on; true if it is relieved instead.
    pub(super) fn rest(&self, is_stopped: impl Fn() -> bool) -> bool {
        let mut state = self.lock();
        if *state == State::Asked {
            *state = State::Resting;
            self.0.1.notify_all();
        }
        while *state == State::Resting && !is_stopped() {
            state = self.0.1.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        *state == State::Relieved
    }

    /// The thread has ended; true if it was relieved.
    pub(super) fn end(&self) -> bool {
        let mut state = self.lock();
        let was_relieved = *state == State::Relieved;
        *state = State::Ended;
        self.0.1.notify_all();
        was_relieved
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn one_that_doesnt_look_is_not_waited_for_and_may_go_on() {
        let rest = Rest::default();
        assert!(!rest.ask(Duration::from_millis(10)));
        assert!(!rest.is_asked(), "nobody waits any more");
    }

    #[test]
    fn it_rests_until_it_may_go_on_or_is_relieved() {
        for relieved in [false, true] {
            let rest = Rest::default();
            let own = rest.clone();
            let thread = std::thread::spawn(move || {
                while !own.is_asked() {
                    std::thread::yield_now();
                }
                let is_relieved = own.rest(|| false);
                (is_relieved, own.end())
            });
            assert!(!rest.is_resting());
            assert!(rest.ask(LONG) && rest.is_resting());
            if relieved {
                rest.relieve()
            } else {
                rest.go_on()
            }
            assert!(!rest.is_resting());
            assert_eq!(thread.join().unwrap(), (relieved, relieved));
            assert!(rest.ask(Duration::ZERO) && rest.has_ended(), "who has ended rests for good");
            rest.go_on();
            assert!(rest.has_ended());
        }
    }

    #[test]
    fn the_end_of_the_program_ends_a_rest() {
        let rest = Rest::default();
        *rest.lock() = State::Asked;
        assert!(!rest.rest(|| true));
    }
}
