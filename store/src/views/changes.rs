//! What a fold changes in one commit.

use bytes::Bytes;
use serde::Serialize;

use super::run::Change;
use crate::{Error, breathe, codec};

/// Rows written and deleted by one commit; of several changes of a key the last counts.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    version: u8,
    rows: Vec<Change>,
    /// The frame that was encoded last: the next needs no memory of its own.
    frame: Vec<u8>,
}

impl Changes {
    /// No changes yet; rows will be encoded under this schema version.
    pub fn new(version: u8) -> Changes {
        Changes { version, rows: Vec::new(), frame: Vec::new() }
    }

    /// Writes a row.
    pub fn put_row<T: Serialize + ?Sized>(&mut self, key: impl Into<Bytes>, row: &T) -> Result<(), Error> {
        breathe();
        codec::encode_into(self.version, row, &mut self.frame)?;
        self.rows.push((key.into(), Some(Bytes::copy_from_slice(&self.frame))));
        Ok(())
    }

    /// Writes a row whose value is framed already.
    pub fn put(&mut self, key: impl Into<Bytes>, frame: impl Into<Bytes>) {
        self.rows.push((key.into(), Some(frame.into())));
    }

    /// Deletes a row, if it is there.
    pub fn delete(&mut self, key: impl Into<Bytes>) {
        self.rows.push((key.into(), None));
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn into_rows(self) -> Vec<Change> {
        self.rows
    }
}
