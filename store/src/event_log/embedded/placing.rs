//! Puts what is gathered in its places, on a thread of its own: commits go on in the journal's other half meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::At;
use crate::event_log::embedded::Core;
use crate::event_log::embedded::batches::Encoded;
use crate::event_log::embedded::cut::{Batch, cut};
use crate::event_log::embedded::journal::Mark;
use crate::event_log::embedded::tail::{Recent, index};
use crate::{Error, faults};

/// Batches of consecutive entries of the journal.
pub(super) struct Gathered {
    pub(super) batches: Vec<Arc<Recent>>,
    /// What the newest file says once they are in their places.
    pub(super) mark: Mark,
}

/// Between the commit thread, which hands over, and the thread that puts in place: one at a time.
pub(super) struct Placing {
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Idle,
    HandedOver(Gathered),
    Busy,
    Failed(Error),
    Ended,
}

impl Placing {
    pub(super) fn new() -> Placing {
        Placing { state: Mutex::new(State::Idle), changed: Condvar::new() }
    }

    /// Waits until what was handed over is in its places. The error with which that failed stays.
    pub(super) fn wait(&self) -> Result<(), Error> {
        self.idle().map(drop)
    }

    /// Hands these over, once the ones before are in their places.
    pub(super) fn hand_over(&self, gathered: Gathered) -> Result<(), Error> {
        *self.idle()? = State::HandedOver(gathered);
        self.changed.notify_all();
        Ok(())
    }

    /// Ends the thread, when it has done what it was handed.
    pub(super) fn end(&self) {
        if let Ok(mut state) = self.idle() {
            *state = State::Ended;
            self.changed.notify_all();
        }
    }

    fn idle(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.lock();
        loop {
            state = match &*state {
                State::Idle => return Ok(state),
                State::Failed(error) => return Err(error.clone()),
                State::Ended => return Err(Error::closed(At::Log, "the log is closed")),
                State::HandedOver(_) | State::Busy => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn take(&self) -> Option<Gathered> {
        let mut state = self.lock();
        loop {
            match std::mem::replace(&mut *state, State::Busy) {
                State::HandedOver(gathered) => return Some(gathered),
                State::Ended => return None,
                other => *state = other,
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, result: Result<(), Error>) -> bool {
        let ended = result.is_err();
        *self.lock() = result.map_or_else(State::Failed, |()| State::Idle);
        self.changed.notify_all();
        !ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the log ends or a write fails; then the log takes no more records, and the journal has what is not in its place.
pub(super) fn run(core: &Core) {
    while let Some(Gathered { batches, mark }) = core.placing.take() {
        let place = || {
            faults::point("journal.before-place");
            core.segments.write(&in_their_places(&batches, core.partitions), Some(mark))
        };
        let placed =
            catch_unwind(AssertUnwindSafe(place)).unwrap_or_else(|_| Err(Error::closed(At::Log, "it panicked")));
        let placed = placed.map_err(|cause| {
            tracing::error!(error = %cause, "the event log can't be written; it takes no more records");
            let what = "a write failed, so nothing more is written; what was acknowledged is in the journal: make room if the disk is full, and restart the process";
            Error::closed(At::Log, what).with_source(cause)
        });
        match &placed {
            Ok(()) => {
                faults::point("journal.after-place");
                core.tail.placed(batches.len());
            }
            // What is queued is still the commit thread's to answer.
            Err(error) => core.queue.close(error),
        }
        if !core.placing.done(placed) {
            return;
        }
    }
}

/// Many small batches as a few of each partition.
pub(super) fn in_their_places(batches: &[Arc<Recent>], partitions: u32) -> Vec<Encoded> {
    let mut sorted: Vec<&Arc<Recent>> = batches.iter().collect();
    // Stable: what belongs to one partition stays in its order.
    sorted.sort_by_key(|batch| index(batch.of, partitions));
    let records = sorted.iter().flat_map(|batch| batch.records.iter().map(|record| (batch.of, record.clone())));
    cut(records).iter().filter_map(Batch::encoded).collect()
}

#[cfg(test)]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;
    use crate::event_log::Record;

    #[test]
    fn many_small_batches_become_one_of_each_partition() {
        let record = |offset| Record { offset, recorded_at_ms: 7, key: None, value: None, headers: Vec::new() };
        let partitions = [Topic::Orders.at(0), Topic::Orders.at(1), Topic::Trades.at(0)];
        let recent = |offset, of| Arc::new(Recent { of, records: vec![record(offset)] });
        let batches: Vec<_> = (0..10).flat_map(|offset| partitions.iter().map(move |of| recent(offset, *of))).collect();
        let placed = in_their_places(&batches, 2);
        assert!(placed.iter().map(|batch| (batch.of, batch.base)).eq(partitions.map(|of| (of, 0))));
    }
}
