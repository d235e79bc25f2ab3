//! Reading a range of a sorted file, block by block.

use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use super::{Reading, Sorted};
use crate::Error;
use crate::views::run::{self, Change};

/// Where a scan of one file stands.
#[derive(Debug)]
pub(in crate::views) struct Cursor {
    low: Bound<Bytes>,
    high: Bound<Bytes>,
    descending: bool,
    reading: Reading,
    /// The blocks that are still to be read.
    left: Range<usize>,
    rows: Arc<Vec<Change>>,
    /// Which of the rows are still to come.
    inside: Range<usize>,
}

impl Cursor {
    pub(in crate::views) fn new(
        of: &Sorted,
        low: &Bound<Bytes>,
        high: &Bound<Bytes>,
        descending: bool,
        reading: Reading,
    ) -> Cursor {
        let from = match low {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => {
                of.blocks.partition_point(|block| block.first <= *key).saturating_sub(1)
            }
        };
        let to = match high {
            Bound::Unbounded => of.blocks.len(),
            Bound::Included(key) | Bound::Excluded(key) => of.blocks.partition_point(|block| block.first <= *key),
        };
        let (low, high) = (low.clone(), high.clone());
        Cursor { low, high, descending, reading, left: from..to.max(from), rows: Arc::default(), inside: 0..0 }
    }

    /// Reads on where nothing is left of what was read.
    pub(in crate::views) fn fill(&mut self, of: &Sorted) -> Result<(), Error> {
        while self.inside.is_empty() {
            let next = if self.descending { self.left.next_back() } else { self.left.next() };
            let Some(block) = next else { return Ok(()) };
            self.rows = of.read(block, self.reading)?;
            self.inside = run::range(&self.rows, &self.low, &self.high);
        }
        Ok(())
    }

    /// The next row, if one was read.
    pub(in crate::views) fn head(&self) -> Option<&Change> {
        let rows = self.rows.get(self.inside.clone())?;
        if self.descending { rows.last() } else { rows.first() }
    }

    pub(in crate::views) fn pop(&mut self) -> Option<Change> {
        let row = self.head().cloned();
        if self.descending {
            self.inside.next_back();
        } else {
            self.inside.next();
        }
        row
    }
}
