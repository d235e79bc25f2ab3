//! Writes of calls on their way to the log.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::text::{NO_LABELS, Text};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The log has it.
    Acknowledged,
    /// Nobody knows whether the log has it.
    Unknown,
    /// The log has not taken it.
    Refused,
}

/// Counts appends.
#[derive(Debug)]
pub(crate) struct Appends {
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    refused: AtomicU64,
    took: Histogram,
}

/// The appends of all calls of this process.
pub(crate) static APPENDS: Appends = Appends {
    acknowledged: AtomicU64::new(0),
    unknown: AtomicU64::new(0),
    refused: AtomicU64::new(0),
    took: Histogram::new(),
};

impl Appends {
    /// One has ended so, after so long.
    pub(crate) fn count(&self, outcome: Outcome, took: Duration) {
        let count = match outcome {
            Outcome::Acknowledged => &self.acknowledged,
            Outcome::Unknown => &self.unknown,
            Outcome::Refused => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::Acknowledged {
            self.took.observe(took);
        }
    }

    pub(super) fn write(&self, text: &mut Text<'_>) -> fmt::Result {
        let outcomes = [("acknowledged", &self.acknowledged), ("unknown", &self.unknown), ("refused", &self.refused)];
        let rows = outcomes.map(|(outcome, count)| ([("outcome", outcome)], count.load(Ordering::Relaxed)));
        text.counters("orderledger_appends", "Appends of calls to the log, by what became of them", rows)?;
        let help = "From an append to its acknowledgement";
        text.histograms("orderledger_append_duration_seconds", help, [(NO_LABELS, self.took.counted())])
    }
}
