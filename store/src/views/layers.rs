//! What a reader holds: the commits that are in memory, and the files of those before them.

use std::sync::Arc;

use bytes::Bytes;

use super::run::Run;
use super::sorted::Sorted;

/// One moment of a view. A reader keeps one; a commit or a flush publishes the next.
#[derive(Debug)]
pub(super) struct Layers {
    /// Sorted runs in memory, oldest first.
    pub(super) runs: Vec<Arc<Run>>,
    /// Sorted files, older than the runs, oldest first. Below them lies sled, whose rows stay as they are.
    pub(super) files: Vec<Arc<Sorted>>,
    /// The head of this moment.
    pub(super) head: Bytes,
}

impl Layers {
    /// What the runs say of a key; the newest that knows it decides.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.runs.iter().rev().find_map(|run| run.get(key))
    }
}

/// Large runs, whose keys are found by their hashes, are merged only once there are so many.
const LARGE_RUNS_MAX: usize = 8;

/// Keeps runs few: a run swallows the next newer one that is at least half as large, so a row is copied a logarithmic
/// number of times and a look-up asks a logarithmic number of runs. Frozen runs stay.
pub(super) fn merge_newest(runs: &mut Vec<Arc<Run>>, frozen: usize, something_below: bool) {
    while runs.len() > frozen.saturating_add(1)
        && let [.., older, newer] = runs.as_slice()
        && older.len() <= newer.len().saturating_mul(2)
        && (!newer.is_indexed() || runs.len() > LARGE_RUNS_MAX)
    {
        let keep_deletions = something_below || runs.len() > 2;
        let merged = Arc::new(Run::merge(older, newer, keep_deletions));
        runs.truncate(runs.len().saturating_sub(2));
        runs.push(merged);
    }
}
