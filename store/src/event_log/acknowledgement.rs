//! One batch's acknowledgement: given exactly once, whatever happens to the thread that owes it.

use crate::Error;
use crate::error::At;
use crate::event_log::Delivered;

/// Owes a batch its `done`; dropped without an answer it says that the outcome is unknown.
pub(super) struct Acknowledgement(Option<Delivered>);

impl Acknowledgement {
    pub(super) fn new(done: Delivered) -> Acknowledgement {
        Acknowledgement(Some(done))
    }

    /// Answers.
    pub(super) fn deliver(mut self, result: Result<Vec<u64>, Error>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }

    /// Owes nothing any more: the caller of `append` gets an error instead.
    pub(super) fn cancel(mut self) {
        self.0 = None;
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::closed(
                At::Log,
                "the log ended before the batch was acknowledged; its outcome is unknown",
            )));
        }
    }
}
