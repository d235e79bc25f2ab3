//! A commit that another thread may still be writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Error;

/// A commit of the index of ids: written already, or on its way.
#[derive(Clone, Debug)]
pub struct Kept(Arc<Commit>);

#[derive(Debug, Default)]
struct Commit {
    ended: OnceLock<Result<(), Error>>,
    is_awaited: AtomicBool,
}

impl Kept {
    /// One that is written.
    pub fn already() -> Kept {
        let already = Kept::under_way();
        already.ended(Ok(()));
        already
    }

    /// Whether nothing is to be waited for any more.
    pub fn has_ended(&self) -> bool {
        self.0.ended.get().is_some()
    }

    /// Waits until it is written, and synced if that was asked for; the error with which that failed.
    pub fn wait(&self) -> Result<(), Error> {
        self.await_soon();
        self.0.ended.wait().clone()
    }

    pub(super) fn under_way() -> Kept {
        Kept(Arc::default())
    }

    /// Somebody is about to wait for it.
    pub(super) fn await_soon(&self) {
        self.0.is_awaited.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.0.is_awaited.load(Ordering::Relaxed)
    }

    pub(super) fn ended(&self, result: Result<(), Error>) {
        // Each ends once.
        drop(self.0.ended.set(result));
    }
}
