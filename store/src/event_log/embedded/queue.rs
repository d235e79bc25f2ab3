//! What waits for the next commit: bounded in bytes, in the order of the calls.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::event_log::NewRecord;
use crate::event_log::acknowledgement::Acknowledgement;

/// A batch that waits for its commit.
pub(super) struct Waiting {
    pub(super) records: Vec<NewRecord>,
    pub(super) acknowledgement: Acknowledgement,
}

/// The queue between the appenders and the commit thread.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
    max_bytes: usize,
}

struct State {
    waiting: Vec<Waiting>,
    bytes: usize,
    closed: Option<Error>,
}

impl Queue {
    pub(super) fn new(max_bytes: usize) -> Queue {
        let state = State { waiting: Vec::new(), bytes: 0, closed: None };
        Queue { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new(), max_bytes }
    }

    /// Queues a batch, waiting while the queue is full; a batch larger than the queue goes in alone.
    pub(super) fn push(&self, waiting: Waiting) -> Result<(), Error> {
        let bytes = waiting.records.iter().map(new_record_bytes).sum::<usize>();
        let mut state = self.lock();
        while state.closed.is_none() && state.bytes > 0 && state.bytes + bytes > self.max_bytes {
            state = self.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(error) = &state.closed {
            let error = error.clone();
            waiting.acknowledgement.cancel();
            return Err(error);
        }
        state.bytes += bytes;
        state.waiting.push(waiting);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// All that is queued, waiting for the first batch; `None` when closed and empty.
    pub(super) fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed.is_some() {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let group = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        drop(state);
        self.drained.notify_all();
        Some(group)
    }

    /// Whether it takes anything in.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.lock().closed.clone().map_or(Ok(()), Err)
    }

    /// Takes nothing more in, and says so; what is queued is still committed.
    pub(super) fn close(&self, because: &Error) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| because.clone());
        drop(state);
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Takes nothing more in and answers all that is queued with the error.
    pub(super) fn fail(&self, error: &Error) {
        let mut state = self.lock();
        state.closed = Some(error.clone());
        let group = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        drop(state);
        self.drained.notify_all();
        for waiting in group {
            waiting.acknowledgement.deliver(Err(error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_record_bytes(record: &NewRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.as_ref().map_or(0, bytes::Bytes::len) + record.value.as_ref().map_or(0, bytes::Bytes::len) + headers + 64
}
