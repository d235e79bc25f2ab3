//! Reading a range of the base's rows.

use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use super::{Base, FIRST_ROW, guarded};
use crate::Error;
use crate::views::run::{self, Change};

/// Where a scan of the base stands.
pub(in crate::views) struct Cursor {
    stored: sled::Iter,
    low: Bound<Bytes>,
    high: Bound<Bytes>,
    descending: bool,
    rows: Arc<Vec<Change>>,
    /// Which of the rows are still to come.
    inside: Range<usize>,
}

impl Cursor {
    /// The rows of a range that is not empty.
    pub(in crate::views) fn new(
        of: &Base,
        low: &Bound<Bytes>,
        high: &Bound<Bytes>,
        descending: bool,
    ) -> Result<Cursor, Error> {
        // The block that holds the lowest key may begin below it.
        let begins = match (low, &of.blocks) {
            (Bound::Included(key) | Bound::Excluded(key), Some(_)) => of.at_or_below(key)?.map(|(first, _)| first),
            _ => None,
        };
        let from = match &begins {
            Some(first) => Bound::Included(first.as_ref()),
            None => low.as_ref().map(Bytes::as_ref),
        };
        let from = if from == Bound::Unbounded { Bound::Included(FIRST_ROW.as_slice()) } else { from };
        let stored = of.range(from, high.as_ref().map(Bytes::as_ref))?;
        Ok(Cursor { stored, low: low.clone(), high: high.clone(), descending, rows: Arc::default(), inside: 0..0 })
    }

    /// Reads on where nothing is left of what was read.
    pub(in crate::views) fn fill(&mut self, of: &Base) -> Result<(), Error> {
        while self.inside.is_empty() {
            let (stored, descending) = (&mut self.stored, self.descending);
            let next = || if descending { stored.next_back() } else { stored.next() }.transpose();
            let Some((key, value)) = guarded(&of.dir, next)? else { return Ok(()) };
            self.rows = match &of.blocks {
                Some(blocks) => blocks.rows(of, &value)?,
                None => Arc::new(vec![(Bytes::from_owner(key), Some(Bytes::from_owner(value)))]),
            };
            self.inside = run::range(&self.rows, &self.low, &self.high);
        }
        Ok(())
    }

    /// The next row, if one was read.
    pub(in crate::views) fn head(&self) -> Option<&Change> {
        let rows = self.rows.get(self.inside.clone())?;
        if self.descending { rows.last() } else { rows.first() }
    }

    /// Goes on to the one behind.
    pub(in crate::views) fn pop(&mut self) {
        if self.descending {
            self.inside.next_back();
        } else {
            self.inside.next();
        }
    }
}
