//! Where the rows of a view in memory go that has a limit: sorted files without names, few of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::merge::{self, Merge};
use super::run::Run;
use super::sorted::Sorted;
use crate::Error;

/// Whether so many bytes more may be written to that directory's disk. It is asked again and again while rows are written to files,
/// each time for what is written next (little, and then it is 0): an error ends that.
pub type Guard = fn(&Path, u64) -> Result<(), Error>;

/// Where rows go, and when.
#[derive(Clone, Debug)]
pub(super) struct Spill {
    pub(super) dir: PathBuf,
    /// Bytes that the commits in memory may take.
    pub(super) budget: usize,
    pub(super) guard: Guard,
}

impl Spill {
    /// The files, oldest first, after these runs went into one.
    pub(super) fn take(&self, files: &[Arc<Sorted>], runs: &[Arc<Run>]) -> Result<Vec<Arc<Sorted>>, Error> {
        let go_on = |dir: &Path| (self.guard)(dir, 0);
        let mut files = files.to_vec();
        if let Some(all) = Run::merge_all(runs) {
            let keep_deletions = !files.is_empty();
            let rows = all.rows().iter().filter(|row| keep_deletions || row.1.is_some()).cloned().map(Ok);
            files.push(Arc::new(Sorted::nameless(&self.dir, &go_on, all.len(), rows)?));
        }
        let unit = u64::try_from(self.budget).unwrap_or(u64::MAX);
        while let Some(due) = merge::due(&files, unit) {
            let newest = files.split_off(due.start);
            let rows_max = newest.iter().map(|file| file.rows).sum();
            let merged = Merge::new(&newest, !files.is_empty());
            files.push(Arc::new(Sorted::nameless(&self.dir, &go_on, rows_max, merged)?));
        }
        Ok(files)
    }
}
