//! The wish to end, seen by every worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once; every loop looks at it between two batches.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks every worker to end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
