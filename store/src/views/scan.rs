//! A scan over all layers of one moment.

use std::ops::{Bound, Range};

use bytes::Bytes;

use super::base;
use super::reader::{Direction, ViewReader};
use super::run::Change;
use super::sorted::{Cursor, Reading};
use crate::keys::META;
use crate::{Error, breathe};

/// The rows of a range, merged from all layers; ends after the first error.
pub struct Scan {
    reader: ViewReader,
    descending: bool,
    /// What of each run is still to come, oldest run first.
    runs: Vec<Range<usize>>,
    /// The same of each file, oldest first.
    files: Vec<Cursor>,
    /// The same of sled.
    base: Option<base::Cursor>,
    /// Why it can't begin.
    unreadable: Option<Error>,
    failed: bool,
}

impl Scan {
    pub(super) fn new(reader: ViewReader, low: Bound<Bytes>, high: Bound<Bytes>, direction: Direction) -> Scan {
        let low = above_meta(low);
        let runs = reader.layers.runs.iter().map(|run| run.range(&low, &high)).collect();
        let descending = direction == Direction::Descending;
        let files =
            reader.layers.files.iter().map(|file| Cursor::new(file, &low, &high, descending, Reading::Kept)).collect();
        let disk = reader.inner.disk.as_ref().filter(|_| !is_empty(&low, &high));
        let base = disk.map(|disk| base::Cursor::new(&disk.base, &low, &high, descending)).transpose();
        let (base, unreadable) = match base {
            Ok(base) => (base, None),
            Err(error) => (None, Some(reader.inner.fail(error))),
        };
        Scan { reader, descending, runs, files, base, unreadable, failed: false }
    }

    fn next_row(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        loop {
            self.unreadable.take().map_or(Ok(()), Err)?;
            self.reader.inner.check_read()?;
            if let (Some(disk), Some(cursor)) = (&self.reader.inner.disk, &mut self.base) {
                cursor.fill(&disk.base).map_err(|error| self.reader.inner.fail(error))?;
            }
            for (file, cursor) in self.reader.layers.files.iter().zip(&mut self.files) {
                cursor.fill(file).map_err(|error| self.reader.inner.fail(error))?;
            }
            match self.next_change() {
                Some((key, Some(value))) => return Ok(Some((key, value))),
                Some((_, None)) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next key's change of the newest layer that has it, taken off every layer.
    fn next_change(&mut self) -> Option<Change> {
        let mut next: Option<&Change> = self.base.as_ref().and_then(base::Cursor::head);
        let of_files = self.files.iter().map(Cursor::head);
        let runs = self.reader.layers.runs.iter().zip(&self.runs);
        let of_runs = runs.map(|(run, range)| head_of(run.rows(), range, self.descending));
        for change in of_files.chain(of_runs).flatten() {
            let wins = next.is_none_or(|next| {
                let order = change.0.cmp(&next.0);
                let order = if self.descending { order.reverse() } else { order };
                order.is_le()
            });
            if wins {
                next = Some(change);
            }
        }
        let next = next?.clone();
        for (run, range) in self.reader.layers.runs.iter().zip(&mut self.runs) {
            if head_of(run.rows(), range, self.descending).is_some_and(|change| change.0 == next.0) {
                if self.descending {
                    range.end -= 1;
                } else {
                    range.start += 1;
                }
            }
        }
        for cursor in self.files.iter_mut().filter(|cursor| cursor.head().is_some_and(|change| change.0 == next.0)) {
            cursor.pop();
        }
        if let Some(cursor) = self.base.as_mut().filter(|cursor| cursor.head().is_some_and(|change| change.0 == next.0))
        {
            cursor.pop();
        }
        Some(next)
    }
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        breathe();
        let row = self.next_row().transpose();
        self.failed = matches!(row, Some(Err(_)));
        row
    }
}

fn head_of<'a>(rows: &'a [Change], range: &Range<usize>, descending: bool) -> Option<&'a Change> {
    let rows = rows.get(range.clone())?;
    if descending { rows.last() } else { rows.first() }
}

/// The view's own rows are in no scan.
fn above_meta(low: Bound<Bytes>) -> Bound<Bytes> {
    const FIRST: &[u8] = &[META + 1];
    match &low {
        Bound::Included(key) | Bound::Excluded(key) if key.as_ref() >= FIRST => low,
        _ => Bound::Included(Bytes::from_static(FIRST)),
    }
}

fn is_empty(low: &Bound<Bytes>, high: &Bound<Bytes>) -> bool {
    match (low, high) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
    }
}
