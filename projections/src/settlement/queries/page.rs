//! Pages of listings: a cursor is a place in the listing, so it stays right while data arrives.

use orderledger_store::Error;
use orderledger_store::views::Direction;

/// A page passes over so many rows that a filter leaves out, at most: finding a few among many stays bounded.
pub(super) const PASSED_OVER_MAX: usize = if cfg!(test) { 500 } else { 10_000 };

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
    fn is_due(&self, place: C) -> bool {
        self.after.is_none_or(|after| match self.direction {
            Direction::Ascending => place > after,
            Direction::Descending => place < after,
        })
    }

    /// Takes a page off rows that come in the listing's order with their places: what `choose` makes of them. Once it has
    /// passed over [`PASSED_OVER_MAX`] rows of which it made nothing, the page ends, be it full or not.
    pub(super) fn fill<R, T>(
        &self,
        rows: impl Iterator<Item = Result<(C, R), Error>>,
        mut choose: impl FnMut(C, R) -> Result<Option<T>, Error>,
    ) -> Result<Listing<T, C>, Error> {
        let mut listing = Listing { rows: Vec::new(), next: None };
        let (mut last, mut passed_over) = (None, 0_usize);
        for row in rows {
            let (place, row) = row?;
            if !self.is_due(place) {
                continue;
            }
            match choose(place, row)? {
                Some(_) if listing.rows.len() >= self.limit => {
                    listing.next = last;
                    break;
                }
                Some(row) => listing.rows.push(row),
                None => passed_over = passed_over.saturating_add(1),
            }
            last = Some(place);
            if passed_over >= PASSED_OVER_MAX {
                listing.next = last;
                break;
            }
        }
        Ok(listing)
    }
}

/// A page of a listing. It may hold fewer rows than were wanted, even none, and still have a next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T, C> {
    /// The rows in the order asked for.
    pub rows: Vec<T>,
    /// How far the listing was looked at: the next page begins behind it. None at the end.
    pub next: Option<C>,
}
