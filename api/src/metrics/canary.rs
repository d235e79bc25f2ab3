//! What the canary has seen: how long an order takes to each step of its way.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::text::Text;

/// A step of an order's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Intake's answer stands in the log.
    Accepted,
    /// The book has traded.
    Matched,
    /// Settlement shows it as filled.
    Settled,
    /// Market shows the trade.
    Shown,
}

/// Counts rounds.
#[derive(Debug)]
pub(crate) struct CanarySeen {
    accepted: Histogram,
    matched: Histogram,
    settled: Histogram,
    shown: Histogram,
    done: AtomicU64,
    failed: AtomicU64,
}

/// The canary of this process.
pub(crate) static CANARY_SEEN: CanarySeen = CanarySeen {
    accepted: Histogram::new(),
    matched: Histogram::new(),
    settled: Histogram::new(),
    shown: Histogram::new(),
    done: AtomicU64::new(0),
    failed: AtomicU64::new(0),
};

impl CanarySeen {
    /// An order was there so long after the call.
    pub(crate) fn took(&self, step: Step, time: Duration) {
        let histogram = match step {
            Step::Accepted => &self.accepted,
            Step::Matched => &self.matched,
            Step::Settled => &self.settled,
            Step::Shown => &self.shown,
        };
        histogram.observe(time);
    }

    /// A round has ended.
    pub(crate) fn ended(&self, well: bool) {
        let count = if well { &self.done } else { &self.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn write(&self, text: &mut Text<'_>) -> fmt::Result {
        let outcomes = [("done", &self.done), ("failed", &self.failed)];
        let rows = outcomes.map(|(outcome, count)| ([("outcome", outcome)], count.load(Ordering::Relaxed)));
        text.counters("orderledger_canary_rounds", "Rounds of the canary (--canary)", rows)?;
        let steps = [
            ("accepted", &self.accepted),
            ("matched", &self.matched),
            ("settled", &self.settled),
            ("shown", &self.shown),
        ];
        let rows = steps.map(|(step, took)| ([("step", step)], took.counted()));
        let help = "From the call of the canary's order to each step of its way";
        text.histograms("orderledger_canary_duration_seconds", help, rows)
    }
}
