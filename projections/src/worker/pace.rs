//! The least time from one batch to the next: fewer, larger batches.

use std::time::{Duration, Instant};

/// A batch of so many records is of a worker that is behind: it doesn't pace itself then.
const BEHIND_RECORDS: usize = 1000;

/// Whether a batch of so many records is of a worker that keeps up with what comes.
pub(crate) fn is_live(records: usize) -> bool {
    records < BEHIND_RECORDS
}

/// Waits until the next batch may be taken, after one of so many records that was there at `since`.
pub(crate) fn wait(since: Instant, pace: Duration, records: usize) {
    if !is_live(records) {
        return;
    }
    let mut left = pace.saturating_sub(since.elapsed());
    while !left.is_zero() {
        std::thread::park_timeout(left);
        left = pace.saturating_sub(since.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_the_rest_of_the_pace_unless_it_is_behind() {
        let (since, pace) = (Instant::now(), Duration::from_millis(30));
        wait(since, pace, BEHIND_RECORDS);
        assert!(since.elapsed() < pace);
        wait(since, pace, 1);
        assert!(since.elapsed() >= pace);
    }
}
