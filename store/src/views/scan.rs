//! A scan over all layers of one moment.

use std::collections::VecDeque;
use std::ops::{Bound, Range};

use bytes::Bytes;

use super::reader::{Direction, ViewReader};
use super::run::Change;
use super::sorted::{Cursor, Reading};
use crate::Error;
use crate::keys::META;

/// Rows of the first look into sled; each further look takes twice as many.
const FIRST_CHUNK: usize = 16;

/// Rows of one look into sled at most.
const CHUNK_MAX: usize = 512;

/// The rows of a range, merged from all layers; ends after the first error.
pub struct Scan {
    reader: ViewReader,
    descending: bool,
    /// What of each run is still to come, oldest run first.
    runs: Vec<Range<usize>>,
    /// The same of each file, oldest first.
    files: Vec<Cursor>,
    /// What was read from sled, in the scan's order.
    chunk: VecDeque<Change>,
    chunk_len: usize,
    /// What of sled is still to be read; `None` once nothing is.
    unread: Option<(Bound<Bytes>, Bound<Bytes>)>,
    failed: bool,
}

impl Scan {
    pub(super) fn new(reader: ViewReader, low: Bound<Bytes>, high: Bound<Bytes>, direction: Direction) -> Scan {
        let low = above_meta(low);
        let runs = reader.layers.runs.iter().map(|run| run.range(&low, &high)).collect();
        let descending = direction == Direction::Descending;
        let files =
            reader.layers.files.iter().map(|file| Cursor::new(file, &low, &high, descending, Reading::Kept)).collect();
        let unread = (reader.inner.disk.is_some() && !is_empty(&low, &high)).then_some((low, high));
        Scan { reader, descending, runs, files, chunk: VecDeque::new(), chunk_len: FIRST_CHUNK, unread, failed: false }
    }

    /// The same scan, of which the first row alone is wanted: sled gives each look's rows whole, and they may be large.
    pub(super) fn of_one(self) -> Scan {
        Scan { chunk_len: 1, ..self }
    }

    fn next_row(&mut self) -> Result<Option<(Bytes, Bytes)>, Error> {
        loop {
            self.reader.inner.check_read()?;
            while self.chunk.is_empty() && self.unread.is_some() {
                self.read_chunk()?;
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
        let mut next: Option<&Change> = self.chunk.front();
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
        if self.chunk.front().is_some_and(|change| change.0 == next.0) {
            self.chunk.pop_front();
        }
        Some(next)
    }

    /// Reads on in sled.
    fn read_chunk(&mut self) -> Result<(), Error> {
        let (Some(disk), Some((low, high))) = (&self.reader.inner.disk, self.unread.take()) else { return Ok(()) };
        let as_slices = (low.as_ref().map(Bytes::as_ref), high.as_ref().map(Bytes::as_ref));
        let read = disk.base.range(as_slices.0, as_slices.1, self.descending, self.chunk_len);
        let rows = read.map_err(|error| self.reader.inner.fail(error))?;
        if rows.len() == self.chunk_len
            && let Some((last, _)) = rows.last()
        {
            let last = Bound::Excluded(last.clone());
            self.unread = Some(if self.descending { (low, last) } else { (last, high) });
        }
        self.chunk_len = self.chunk_len.saturating_mul(2).min(CHUNK_MAX);
        self.chunk = rows.into();
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
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
