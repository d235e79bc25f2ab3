//! The time that passes: for pauses and intervals, never for what is decided.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Says how much time has passed since a moment before all others: by the machine, or as a simulation moves it.
#[derive(Clone, Debug)]
pub struct Clock {
    begun: Instant,
    simulated_ms: Option<Arc<AtomicU64>>,
}

impl Default for Clock {
    /// The machine's clock.
    fn default() -> Clock {
        Clock { begun: Instant::now(), simulated_ms: None }
    }
}

impl Clock {
    /// A clock that stands at these milliseconds until somebody moves it.
    pub fn simulated(milliseconds: Arc<AtomicU64>) -> Clock {
        Clock { simulated_ms: Some(milliseconds), ..Clock::default() }
    }

    /// The time since that moment; never less than before.
    pub fn now(&self) -> Duration {
        match self.seed() {
            None => self.begun.elapsed(),
            Some(milliseconds) => Duration::from_millis(milliseconds),
        }
    }

    /// What randomness begins with, where it must repeat: nothing by the machine's clock.
    pub(crate) fn seed(&self) -> Option<u64> {
        self.simulated_ms.as_ref().map(|milliseconds| milliseconds.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_stands_until_somebody_moves_it_and_the_machines_goes_on() {
        let milliseconds = Arc::new(AtomicU64::new(1500));
        let clock = Clock::simulated(Arc::clone(&milliseconds));
        assert_eq!((clock.now(), clock.seed()), (Duration::from_millis(1500), Some(1500)));
        milliseconds.store(1700, Ordering::Relaxed);
        assert_eq!(clock.now(), Duration::from_millis(1700));
        let machine = Clock::default();
        let before = machine.now();
        while machine.now() == before {}
        assert!(machine.now() > before && machine.seed().is_none());
    }
}
