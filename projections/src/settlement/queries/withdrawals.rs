//! Withdrawals: decided ones, and those that intake has not decided yet.

use orderledger_domain::ids::{UserId, WithdrawalId};
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::ViewReader;

use super::super::rows::{WithdrawalRow, offset_key, withdrawal_index_key};
use super::page::{Listing, Page};
use super::walk::{merge, rows};

/// A user's withdrawals. A place is the offset of the request.
pub fn withdrawals(reader: &ViewReader, user: &UserId, page: &Page<u64>) -> Result<Listing<WithdrawalRow, u64>, Error> {
    let walks = [keys::WITHDRAWAL, keys::PENDING_WITHDRAWAL].map(|prefix| rows(reader, prefix, user, page));
    page.fill(merge(walks.into(), page.direction), |_, row| Ok(Some(row)))
}

/// A user's withdrawal of that id, the newest if an id was used again.
pub fn withdrawal(reader: &ViewReader, user: &UserId, id: &WithdrawalId) -> Result<Option<WithdrawalRow>, Error> {
    if let Some(requested) = reader.get_row::<u64>(&withdrawal_index_key(user, id))? {
        return reader.get_row(&offset_key(keys::WITHDRAWAL, user, requested));
    }
    for row in rows::<WithdrawalRow>(reader, keys::PENDING_WITHDRAWAL, user, &Page::newest(usize::MAX)) {
        let (_, row) = row?;
        if row.withdrawal_id == *id {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
