//! Withdrawals: decided ones, and those that intake has not decided yet.

use orderledger_domain::ids::{UserId, WithdrawalId};
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::ViewReader;

use super::super::rows::{WithdrawalRow, offset_key, withdrawal_index_key};
use super::orders::merged;
use super::page::{Listing, Page};

/// A user's withdrawals. A place is the offset of the request.
pub fn withdrawals(reader: &ViewReader, user: &UserId, page: &Page<u64>) -> Result<Listing<WithdrawalRow, u64>, Error> {
    let prefixes = [keys::WITHDRAWAL, keys::PENDING_WITHDRAWAL];
    page.fill(merged::<WithdrawalRow>(reader, &prefixes, user, page))
}

/// A user's withdrawal of that id, the newest if an id was used again.
pub fn withdrawal(reader: &ViewReader, user: &UserId, id: &WithdrawalId) -> Result<Option<WithdrawalRow>, Error> {
    if let Some(requested) = reader.get_row::<u64>(&withdrawal_index_key(user, id))? {
        return reader.get_row(&offset_key(keys::WITHDRAWAL, user, requested));
    }
    let pending = merged::<WithdrawalRow>(reader, &[keys::PENDING_WITHDRAWAL], user, &Page::newest(usize::MAX));
    for row in pending {
        let (_, row) = row?;
        if row.withdrawal_id == *id {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
