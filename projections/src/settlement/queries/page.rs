//! Pages of listings: a cursor is a place in the listing, so it stays right while data arrives.

use orderledger_store::Error;
use orderledger_store::views::Direction;

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// The place of the last row that the caller has; none: from the beginning.
    pub after: Option<C>,
    /// At most so many rows.
    pub limit: usize,
    /// Newest first or oldest first.
    pub direction: Direction,
}

impl<C: Copy + Ord> Page<C> {
    /// The newest rows.
    pub const fn newest(limit: usize) -> Page<C> {
        Page { after: None, limit, direction: Direction::Descending }
    }

    /// Whether a row at that place lies behind the cursor.
    pub(super) fn is_due(&self, place: C) -> bool {
        self.after.is_none_or(|after| match self.direction {
            Direction::Ascending => place > after,
            Direction::Descending => place < after,
        })
    }

    /// Takes a page off rows that come in the listing's order with their places.
    pub(super) fn fill<T>(&self, rows: impl Iterator<Item = Result<(C, T), Error>>) -> Result<Listing<T, C>, Error> {
        let mut listing = Listing { rows: Vec::new(), next: None };
        let mut last = None;
        for row in rows {
            let (place, row) = row?;
            if !self.is_due(place) {
                continue;
            }
            if listing.rows.len() >= self.limit {
                listing.next = last;
                break;
            }
            listing.rows.push(row);
            last = Some(place);
        }
        Ok(listing)
    }
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T, C> {
    /// The rows in the order asked for.
    pub rows: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<C>,
}
