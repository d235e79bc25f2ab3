//! When sorted files become one, and how: a log-structured merge (O'Neil and others 1996), so that a row is rewritten a
//! logarithmic number of times and a look-up asks a logarithmic number of files.

use std::ops::Bound::Unbounded;
use std::ops::Range;
use std::sync::Arc;

use super::run::Change;
use super::sorted::{Cursor, Reading, Sorted};
use crate::Error;

/// So many files of about one size become one, which is about so many times as large.
const MERGED_AT_ONCE: usize = 8;

/// Which files, of all from the oldest to the newest, become one, if any.
pub(super) fn due(files: &[Arc<Sorted>], unit: u64) -> Option<Range<usize>> {
    let sizes: Vec<u64> = files.iter().map(|file| file.bytes).collect();
    newest_due(&sizes, unit).map(|newest| files.len().saturating_sub(newest)..files.len())
}

/// How many of the newest, of files of these sizes: those of at most some size, once there are many of just that size among them.
/// Sizes count in steps of eight from `unit` bytes on; smaller files are of one size.
fn newest_due(sizes: &[u64], unit: u64) -> Option<usize> {
    let tiers = || sizes.iter().rev().map(|&bytes| tier(bytes, unit));
    let mut known: Vec<u32> = tiers().collect();
    known.sort_unstable();
    known.dedup();
    known.into_iter().find_map(|tier| {
        let newest = || tiers().take_while(|of| *of <= tier);
        (newest().filter(|of| *of == tier).count() >= MERGED_AT_ONCE).then(|| newest().count())
    })
}

fn tier(bytes: u64, unit: u64) -> u32 {
    const STEP: u64 = 8;
    (bytes / unit.max(1)).checked_ilog(STEP).map_or(0, |steps| steps.saturating_add(1))
}

/// All rows of several files, given oldest first, in key order; the newest file that has a key decides.
pub(super) struct Merge {
    files: Vec<(Arc<Sorted>, Cursor)>,
    keep_deletions: bool,
}

impl Merge {
    /// Deletions are kept unless nothing lies below.
    pub(super) fn new(files: &[Arc<Sorted>], keep_deletions: bool) -> Merge {
        let cursor = |file: &Arc<Sorted>| {
            let cursor = Cursor::new(file, &Unbounded, &Unbounded, false, Reading::Once);
            (Arc::clone(file), cursor)
        };
        Merge { files: files.iter().map(cursor).collect(), keep_deletions }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_steps_of_eight() {
        let tiers: Vec<u32> = [0, 99, 100, 799, 800, 6_400].iter().map(|&bytes| tier(bytes, 100)).collect();
        assert_eq!(tiers, [0, 0, 1, 1, 2, 3]);
    }

    #[test]
    fn a_large_file_is_left_alone_until_there_are_many_of_its_size() {
        assert_eq!(newest_due(&[6_400, 9, 9, 9, 9, 9, 9, 9], 100), None);
        assert_eq!(newest_due(&[6_400, 9, 9, 9, 9, 9, 9, 9, 9], 100), Some(8));
        assert_eq!(newest_due(&[6_400, 100, 100, 100, 100, 100, 100, 100, 9, 100], 100), Some(9));
    }

    #[test]
    fn each_byte_is_written_a_few_times_however_many_flushes_there_are() {
        let (mut sizes, mut written, mut most) = (Vec::new(), 0_u64, 0);
        for _ in 0..4_096 {
            sizes.push(50_u64);
            while let Some(newest) = newest_due(&sizes, 50) {
                let merged: u64 = sizes.drain(sizes.len() - newest..).sum();
                written += merged;
                sizes.push(merged);
            }
            most = most.max(sizes.len());
        }
        // Merged once on each of the four steps from one flush to all of them.
        assert_eq!(written, 4 * 4_096 * 50);
        assert!(most <= 4 * 7, "{most}");
    }
}
