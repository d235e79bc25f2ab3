//! A commit that another thread may still be writing.

use std::sync::{Arc, OnceLock};

use crate::Error;

/// A commit of the index of ids: written already, or on its way.
#[derive(Clone, Debug)]
pub struct Kept(Arc<OnceLock<Result<(), Error>>>);

impl Kept {
    /// One that is written.
    pub fn already() -> Kept {
        Kept(Arc::new(OnceLock::from(Ok(()))))
    }

    /// Whether nothing is to be waited for any more.
    pub fn has_ended(&self) -> bool {
        self.0.get().is_some()
    }

    /// Waits until it is written, and synced if that was asked for; the error with which that failed.
    pub fn wait(&self) -> Result<(), Error> {
        self.0.wait().clone()
    }

    pub(super) fn under_way() -> Kept {
        Kept(Arc::new(OnceLock::new()))
    }

    pub(super) fn ended(&self, result: Result<(), Error>) {
        // Each ends once.
        drop(self.0.set(result));
    }
}
