//! How long things took: counts of durations between fixed bounds, recorded without a lock.
//!
//! The histogram of the library that writes the text is behind a lock; two threads that answer would wait for each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets, in microseconds: from an answer given again to a write that is given up.
const BOUNDS_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// Durations, counted by how long they are.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The last one is of those above all bounds.
    counts: [AtomicU64; BOUNDS_MICROS.len() + 1],
    micros: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    /// The sum of all durations, in seconds.
    pub(super) seconds: f64,
    /// How many there were.
    pub(super) count: u64,
    /// Upper bounds in seconds, and how many lie between each and the one before.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Nothing counted yet.
    pub(crate) const fn new() -> Histogram {
        Histogram { counts: [const { AtomicU64::new(0) }; BOUNDS_MICROS.len() + 1], micros: AtomicU64::new(0) }
    }

    /// Counts one.
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(super) fn counted(&self) -> Counted {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let bounds = BOUNDS_MICROS.iter().map(|bound| Duration::from_micros(*bound).as_secs_f64());
        let buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).zip(counts).collect();
        let seconds = Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64();
        // Their number is that of the buckets, whatever is counted meanwhile.
        Counted { seconds, count: buckets.iter().map(|(_, count)| count).sum(), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_the_first_bound_that_is_no_less() {
        let histogram = Histogram::new();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let Counted { seconds, count, buckets } = histogram.counted();
        let some: Vec<(f64, u64)> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(some, [(0.000_1, 2), (0.000_25, 1), (10.0, 1), (f64::INFINITY, 1)]);
        assert_eq!(count, 5);
        assert!((seconds - 20.000_202).abs() < 1e-9, "{seconds}");
    }
}
