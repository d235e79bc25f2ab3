//! Keeps time: one call may go at each moment at which one is due, whatever happened to those before.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::cli::Failure;

/// So many calls a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Calls a second; not 0.
    pub(super) rate: u32,
    /// How many in all.
    pub(super) count: u64,
    /// How many wait for their turn; each learns at the end that there is no more.
    pub(super) takers: u32,
}

/// When the call of that number is due after the beginning.
pub(super) fn due(rate: u32, number: u64) -> Duration {
    let nanos = u128::from(number).saturating_mul(1_000_000_000).checked_div(u128::from(rate)).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A thread that adds a permit for each call when it is due, until the semaphore is closed: timers of the runtime are too
/// coarse.
pub(super) fn start(pace: Pace, begun: Instant, permits: &Arc<Semaphore>) -> Result<JoinHandle<()>, Failure> {
    let permits = Arc::clone(permits);
    let keep_time = move || {
        for number in 0..pace.count {
            std::thread::sleep(due(pace.rate, number).saturating_sub(begun.elapsed()));
            if permits.is_closed() {
                return;
            }
            permits.add_permits(1);
        }
        permits.add_permits(usize::try_from(pace.takers).unwrap_or(0));
    };
    Ok(std::thread::Builder::new().name("pacer".to_owned()).spawn(keep_time)?)
}
