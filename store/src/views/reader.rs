//! Reading one moment of a view.

use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::layers::Layers;
use super::scan::Scan;
use super::sorted::Reading;
use super::{Inner, REBUILDING};
use crate::keys::{META, after_prefix};
use crate::{Error, codec};

/// In which order a scan gives its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key on.
    Ascending,
    /// From the highest key on.
    Descending,
}

/// A view as it was at one moment: every row and the head are those of the same commit, however long it is held, and
/// whatever is committed, flushed and merged meanwhile. It holds up nobody; while it lives, what it reads stays in memory and on the
/// disk, so hold it for one answer, not for a session.
#[derive(Clone)]
pub struct ViewReader {
    pub(super) inner: Arc<Inner>,
    pub(super) layers: Arc<Layers>,
}

impl Inner {
    /// The failure, if rows can't be trusted: where a disk took no more, those that there are still stand.
    pub(super) fn check_read(&self) -> Result<(), Error> {
        match self.check() {
            Err(Error::Unavailable { .. }) => Ok(()),
            checked => checked,
        }
    }
}

impl ViewReader {
    /// The head of this moment; empty before the first commit.
    pub fn head(&self) -> &Bytes {
        &self.layers.head
    }

    /// Nothing where the rows are of that version of the schema or a later one. In a view of an earlier one, which is being made anew,
    /// what such rows alone can answer is [`Error::Unavailable`] until then.
    pub fn needs(&self, version: u8) -> Result<(), Error> {
        if self.inner.schema.version < version {
            return Err(Error::unavailable(self.inner.at.clone(), REBUILDING));
        }
        Ok(())
    }

    /// A row's framed value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.inner.check_read()?;
        if key.first() == Some(&META) {
            return Ok(None);
        }
        if let Some(known) = self.layers.get(key) {
            return Ok(known.clone());
        }
        for file in self.layers.files.iter().rev() {
            if let Some(known) = file.get(key, Reading::Kept).map_err(|error| self.inner.fail(error))? {
                return Ok(known);
            }
        }
        let Some(disk) = &self.inner.disk else { return Ok(None) };
        disk.base.get(key, Reading::Kept).map_err(|error| self.inner.fail(error))
    }

    /// So many rows it has in memory and in sorted files, those that were replaced or deleted since included.
    pub fn rows_max(&self) -> usize {
        let Layers { runs, files, .. } = &*self.layers;
        runs.iter().map(|run| run.len()).chain(files.iter().map(|file| file.rows)).sum()
    }

    /// A row, decoded under the view's schema version. A damaged one fails the view.
    pub fn get_row<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        self.get(key)?.map(|frame| self.decode(&frame)).transpose()
    }

    /// The framed rows of a range of keys.
    pub fn scan<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>, direction: Direction) -> Scan {
        let own = |key: &K| Bytes::copy_from_slice(key.as_ref());
        Scan::new(self.clone(), range.start_bound().map(own), range.end_bound().map(own), direction)
    }

    /// The first row of a range in that order, decoded.
    pub fn first_row<T: DeserializeOwned, K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> Result<Option<(Bytes, T)>, Error> {
        let first = self.scan(range, direction).next().transpose()?;
        first.map(|(key, frame)| Ok((key, self.decode(&frame)?))).transpose()
    }

    /// The framed rows whose keys begin with `prefix`.
    pub fn scan_prefix(&self, prefix: &[u8], direction: Direction) -> Scan {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let end = after_prefix(prefix).map_or(Unbounded, |end| Excluded(Bytes::from(end)));
        Scan::new(self.clone(), Included(Bytes::copy_from_slice(prefix)), end, direction)
    }

    /// The rows of [`ViewReader::scan`], decoded.
    pub fn scan_rows<T: DeserializeOwned, K: AsRef<[u8]>>(
        &self,
        range: impl RangeBounds<K>,
        direction: Direction,
    ) -> RowScan<T> {
        RowScan { reader: self.clone(), scan: self.scan(range, direction), row: PhantomData }
    }

    /// The rows of [`ViewReader::scan_prefix`], decoded.
    pub fn scan_prefix_rows<T: DeserializeOwned>(&self, prefix: &[u8], direction: Direction) -> RowScan<T> {
        RowScan { reader: self.clone(), scan: self.scan_prefix(prefix, direction), row: PhantomData }
    }

    fn decode<T: DeserializeOwned>(&self, frame: &[u8]) -> Result<T, Error> {
        let decoded = codec::decode_at(&self.inner.at, self.inner.schema.version, frame);
        decoded.map_err(|error| self.inner.fail(error))
    }
}

/// A scan whose rows are decoded; ends after the first error.
pub struct RowScan<T> {
    reader: ViewReader,
    scan: Scan,
    row: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for RowScan<T> {
    type Item = Result<(Bytes, T), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.scan.next()?;
        Some(row.and_then(|(key, frame)| Ok((key, self.reader.decode(&frame)?))))
    }
}
