//! Spans on their way to a collector.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::text::Text;

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanOutcome {
    /// The collector has them.
    Exported,
    /// There was no room for them in the queue.
    Dropped,
    /// The collector didn't take them.
    Failed,
}

/// Counts spans.
#[derive(Debug)]
pub(crate) struct Spans {
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// The spans of this process.
pub(crate) static SPANS: Spans =
    Spans { exported: AtomicU64::new(0), dropped: AtomicU64::new(0), failed: AtomicU64::new(0) };

impl Spans {
    /// That became of so many.
    pub(crate) fn count(&self, outcome: SpanOutcome, spans: u64) {
        let count = match outcome {
            SpanOutcome::Exported => &self.exported,
            SpanOutcome::Dropped => &self.dropped,
            SpanOutcome::Failed => &self.failed,
        };
        count.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn write(&self, text: &mut Text<'_>) -> fmt::Result {
        let outcomes = [("exported", &self.exported), ("dropped", &self.dropped), ("failed", &self.failed)];
        let rows = outcomes.map(|(outcome, count)| ([("outcome", outcome)], count.load(Ordering::Relaxed)));
        text.counters("orderledger_spans", "Spans for a collector (--otlp-endpoint), by what became of them", rows)
    }
}
