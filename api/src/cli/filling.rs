//! What commands share that fill an empty log: the progress of both steps, and what is left where it goes wrong.

use orderledger_store::Error;

use super::Failure;
use super::exit::in_full;
use super::progress::Bar;
use crate::ledger::restore::Step;

/// The progress of copying and comparing.
pub(super) struct Filling {
    records: usize,
    step: Step,
    bar: Bar,
}

impl Filling {
    /// Of so many records.
    pub(super) fn new(records: usize) -> Filling {
        Filling { records, step: Step::Copying, bar: Bar::new(records, "records copied") }
    }

    /// So many are done in this step.
    pub(super) fn told(&mut self, step: Step, done: usize) {
        if step != self.step {
            self.bar.end();
            (self.step, self.bar) = (step, Bar::new(self.records, "records compared"));
        }
        self.bar.set(done);
    }

    /// All is done.
    pub(super) fn end(&self) {
        self.bar.end();
    }

    /// What was written to topics stays there.
    pub(super) fn failed_on_kafka(error: Error) -> Failure {
        match error {
            Error::Refused { .. } => error.into(),
            error => Failure::failed(format!(
                "{}; no server takes the topics as they are now: delete them, then begin again",
                in_full(&error)
            )),
        }
    }
}

/// The replicas that topics are made with.
pub(super) fn replication() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(1..=32)
}
