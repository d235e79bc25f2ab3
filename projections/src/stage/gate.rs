//! No stage writes before every stage has found its own records again in the topics that it writes to.
//!
//! A stage without a snapshot folds from zero and compares: topics that don't belong together are found there, by the one
//! stage or the other. Until both have found them right, what either has to send waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderledger_store::{At, Error};

use super::outbox::Batch;
use crate::worker::stop::Stop;

/// How many outputs may wait before a stage that has found its own records waits itself.
const WAITING_MAX: usize = 65_536;
/// How long one wait lasts before it looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct State {
    /// Stages that have not found their records yet.
    awaited: usize,
    /// A stage ended before it had found them.
    refused: bool,
}

/// What stages wait for together.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

impl Gate {
    /// A stage's place at the gate: it opens when every stage that has one has found its own records. Give them all out
    /// before the first stage starts.
    pub fn place(&self) -> Place {
        self.lock().awaited += 1;
        Place { gate: self.clone(), awaited: true }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stage's place at the gate; dropped before the stage has found its records, it stays shut for all.
#[derive(Debug)]
pub struct Place {
    gate: Gate,
    awaited: bool,
}

impl Place {
    /// The stage has found all of its own records.
    pub(super) fn found(&mut self) {
        if std::mem::take(&mut self.awaited) {
            let mut state = self.gate.lock();
            state.awaited = state.awaited.saturating_sub(1);
            self.gate.0.1.notify_all();
        }
    }

    /// Whether everybody may write.
    fn is_open(&self) -> Result<bool, Error> {
        let state = self.gate.lock();
        if state.refused {
            return Err(Error::closed(At::Log, "the other stage doesn't accept this log: nothing is written to it"));
        }
        Ok(state.awaited == 0)
    }

    fn wait(&self) {
        let state = self.gate.lock();
        if state.awaited > 0 && !state.refused {
            drop(self.gate.0.1.wait_timeout(state, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.awaited {
            self.gate.lock().refused = true;
            self.gate.0.1.notify_all();
        }
    }
}

/// The batches that wait at the gate.
#[derive(Debug, Default)]
pub(super) struct Held {
    batches: Vec<Batch>,
    outputs: usize,
    is_open: bool,
}

impl Held {
    /// Whether anything is held back.
    pub(super) const fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Takes batches in, and gives those that may go on: all, once the gate is open. A stage that has found its own records
    /// waits for the others when it holds much.
    pub(super) fn pass(&mut self, batches: Vec<Batch>, place: &Place, stop: &Stop) -> Result<Vec<Batch>, Error> {
        if self.is_open {
            return Ok(batches);
        }
        self.outputs += batches.iter().map(|batch| batch.outputs.len()).sum::<usize>();
        if self.outputs == 0 {
            return Ok(batches);
        }
        self.batches.extend(batches);
        loop {
            self.is_open = place.is_open()?;
            if self.is_open || place.awaited || self.outputs <= WAITING_MAX || stop.is_set() {
                break;
            }
            place.wait();
        }
        Ok(if self.is_open { std::mem::take(&mut self.batches) } else { Vec::new() })
    }
}
