//! Operators' corrections of an account.

use orderledger_domain::ids::{Asset, UserId};
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Direction, ViewReader};

use super::super::rows::AdjustmentRow;
use super::page::{Listing, Page};
use super::past::Past;
use super::walk::rows;

/// A user's corrections, booked or not. A place is the offset of the answer.
pub fn adjustments(reader: &ViewReader, user: &UserId, page: &Page<u64>) -> Result<Listing<AdjustmentRow, u64>, Error> {
    page.fill(rows(reader, keys::ADJUSTMENT, user, page), |_, row| Ok(Some(row)))
}

/// The corrections of an asset that were booked, perhaps as of a past moment, the oldest first.
pub fn booked_adjustments(
    reader: &ViewReader,
    user: &UserId,
    asset: Asset,
    past: Option<Past>,
) -> impl Iterator<Item = Result<AdjustmentRow, Error>> + use<> {
    let page = Page { after: None, limit: usize::MAX, direction: Direction::Ascending };
    rows::<AdjustmentRow>(reader, keys::ADJUSTMENT, user, &page).filter_map(move |row| match row {
        Ok((offset, row)) => {
            let belongs = past.is_none_or(|past| past.has(offset, row.time));
            (row.asset == asset && row.rejection.is_none() && belongs).then_some(Ok(row))
        }
        Err(error) => Some(Err(error)),
    })
}
