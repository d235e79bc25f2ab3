//! Where the rows of a view in memory go that has a limit: sorted files, few of them.
//!
//! Whenever the commits in memory take more than the budget they are written to a file of level 0. Eight files of one level are
//! merged into one of the next (a log-structured merge, O'Neil and others 1996), so that a row is rewritten a logarithmic number
//! of times and a scan reads a logarithmic number of files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::run::{Change, Run};
use super::sorted::{Cursor, Sorted};
use crate::Error;

/// So many files of one level become one.
const MERGED_AT_ONCE: usize = 8;

/// Asked again and again while rows are written to files: an error ends that.
pub type Guard = fn(&Path) -> Result<(), Error>;

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
        let mut files = files.to_vec();
        if let Some((oldest, newer)) = runs.split_first() {
            let keep_deletions = !files.is_empty();
            let all = newer.iter().fold(Arc::clone(oldest), |older, newer| Arc::new(Run::merge(&older, newer, true)));
            let rows = all.rows().iter().filter(|row| keep_deletions || row.1.is_some()).cloned().map(Ok);
            files.push(Arc::new(Sorted::write((&self.dir, self.guard), 0, all.len(), rows)?));
        }
        while let Some(from) = same_level(&files) {
            let newest = files.split_off(from);
            let level = newest.first().map_or(0, |file| file.level).saturating_add(1);
            let rows_max = newest.iter().map(|file| file.rows).sum();
            let merged = Merge::new(newest, !files.is_empty());
            files.push(Arc::new(Sorted::write((&self.dir, self.guard), level, rows_max, merged)?));
        }
        Ok(files)
    }
}

/// From where on the newest files are of one level, if they are so many that they become one.
fn same_level(files: &[Arc<Sorted>]) -> Option<usize> {
    let level = files.last()?.level;
    let same = files.iter().rev().take_while(|file| file.level == level).count();
    (same >= MERGED_AT_ONCE).then(|| files.len().saturating_sub(same))
}

/// All rows of several files in key order; the newest file that has a key decides.
struct Merge {
    files: Vec<(Arc<Sorted>, Cursor)>,
    keep_deletions: bool,
}

impl Merge {
    fn new(files: Vec<Arc<Sorted>>, keep_deletions: bool) -> Merge {
        use std::ops::Bound::Unbounded;
        let cursor = |file: Arc<Sorted>| {
            let cursor = Cursor::new(&file, &Unbounded, &Unbounded, false);
            (file, cursor)
        };
        Merge { files: files.into_iter().map(cursor).collect(), keep_deletions }
    }

    fn next_row(&mut self) -> Result<Option<Change>, Error> {
        loop {
            for (file, cursor) in &mut self.files {
                cursor.fill(file)?;
            }
            let heads = self.files.iter().filter_map(|(_, cursor)| cursor.head());
            let Some(key) = heads.map(|row| &row.0).min().cloned() else { return Ok(None) };
            let mut newest = None;
            for (_, cursor) in &mut self.files {
                if cursor.head().is_some_and(|row| row.0 == key) {
                    newest = cursor.pop();
                }
            }
            if let Some(row) = newest.filter(|row| self.keep_deletions || row.1.is_some()) {
                return Ok(Some(row));
            }
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Change, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().transpose()
    }
}
