//! What a reader holds: the commits not yet in sled, and what sled's rows were before flushes that came later.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::run::{Change, Run};
use super::sorted::Sorted;

/// One moment of a view. A reader keeps one; a commit or a flush publishes the next.
#[derive(Debug)]
pub(super) struct Layers {
    /// Sorted runs not yet in sled, oldest first.
    pub(super) runs: Vec<Arc<Run>>,
    /// Of a view in memory with a limit: what no longer fits, older than the runs, oldest first.
    pub(super) files: Vec<Arc<Sorted>>,
    /// The head of this moment.
    pub(super) head: Bytes,
    /// What later flushes replaced in sled.
    pub(super) replaced: Arc<Replaced>,
}

impl Layers {
    /// What the runs say of a key; the newest that knows it decides.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.runs.iter().rev().find_map(|run| run.get(key))
    }
}

/// A moment of sled. Each flush hangs the rows that it is about to replace on the newest moment *before* it writes, and
/// makes the next one. Whoever holds an older moment reads sled first and then looks along the chain: the first flush
/// that replaced the key knows what the row was at the holder's moment. Without holders the chain is freed at once.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    next: OnceLock<(Vec<Change>, Arc<Replaced>)>,
}

impl Replaced {
    /// Hangs the rows that a flush replaces here and makes the moment after it. Only the flusher calls it, once a moment.
    pub(super) fn push(&self, before: Vec<Change>) -> Arc<Replaced> {
        let (_, next) = self.next.get_or_init(|| (before, Arc::default()));
        Arc::clone(next)
    }

    /// What the flushes since this moment replaced, the first flush first.
    pub(super) fn since(&self) -> impl Iterator<Item = &[Change]> {
        std::iter::successors(self.next.get(), |(_, next)| next.next.get()).map(|(before, _)| before.as_slice())
    }
}

impl Drop for Replaced {
    /// A long chain must not be freed by recursion.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some((_, mut moment)) = next.take() {
            if let Some(moment) = Arc::get_mut(&mut moment) {
                next = moment.next.take();
            }
        }
    }
}

/// Large runs, which have a filter over their keys, are merged only once there are so many: a look-up passes most of them by.
const LARGE_RUNS_MAX: usize = 8;

/// Keeps runs few: a run swallows the next newer one that is at least half as large, so a row is copied a logarithmic
/// number of times and a look-up asks a logarithmic number of runs. Frozen runs stay, none grows above `rows_max`.
pub(super) fn merge_newest(runs: &mut Vec<Arc<Run>>, frozen: usize, rows_max: usize, something_below: bool) {
    while runs.len() > frozen.saturating_add(1)
        && let [.., older, newer] = runs.as_slice()
        && older.len() <= newer.len().saturating_mul(2)
        && older.len().saturating_add(newer.len()) <= rows_max
        && (!newer.has_filter() || runs.len() > LARGE_RUNS_MAX)
    {
        let keep_deletions = something_below || runs.len() > 2;
        let merged = Arc::new(Run::merge(older, newer, keep_deletions));
        runs.truncate(runs.len().saturating_sub(2));
        runs.push(merged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_flush_after_a_moment_comes_first_and_a_long_chain_is_freed() {
        let first = Arc::new(Replaced::default());
        let mut newest = Arc::clone(&first);
        for number in 0..200_000_u32 {
            newest = newest.push(vec![(Bytes::copy_from_slice(&number.to_be_bytes()), None)]);
        }
        let keys = first.since().take(2).map(|rows| rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>());
        assert_eq!(keys.flatten().collect::<Vec<_>>(), [&[0, 0, 0, 0][..], &[0, 0, 0, 1]]);
        assert_eq!(newest.since().count(), 0);
        drop(newest);
        drop(first);
    }
}
