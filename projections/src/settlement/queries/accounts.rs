//! Balances, now and as of a past position, and the sums that must be zero.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::account::{Account, SystemAccounts};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyReader};
use orderledger_store::views::{Direction, ViewReader};

use super::super::blocks::{BlockRow, PostingEntry, roll};
use super::super::rows::{AccountRow, offset_key, user_key};
use super::super::user_of;

/// A user's balances at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balances {
    /// The partition of `orders` that holds the user's events.
    pub partition: u32,
    /// Every asset that the user ever had.
    pub account: Account,
}

fn account_row(reader: &ViewReader, user: &UserId) -> Result<Option<AccountRow>, Error> {
    reader.get_row(&user_key(keys::ACCOUNT, user))
}

/// Whether an event names the user: a derived one, or one that intake has not judged yet.
pub fn exists(reader: &ViewReader, user: &UserId) -> Result<bool, Error> {
    if reader.get(&user_key(keys::ACCOUNT, user))?.is_some() {
        return Ok(true);
    }
    for prefix in [keys::PENDING_ORDER, keys::PENDING_WITHDRAWAL] {
        if reader.scan_prefix(&user_key(prefix, user), Direction::Ascending).next().transpose()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A user's balances; none if no derived event names the user (see [`exists`]).
pub fn balances(reader: &ViewReader, user: &UserId) -> Result<Option<Balances>, Error> {
    let row = account_row(reader, user)?;
    Ok(row.map(|AccountRow { partition, account, .. }| Balances { partition, account }))
}

/// A user's balances after the record at `offset` of the user's partition: one seek, one block rolled forward.
pub fn balances_as_of(reader: &ViewReader, user: &UserId, offset: u64) -> Result<Option<Balances>, Error> {
    let Some(row) = account_row(reader, user)? else { return Ok(None) };
    let first = Bound::Included(user_key(keys::POSTING_BLOCK, user));
    let last = Bound::Included(offset_key(keys::POSTING_BLOCK, user, offset));
    let block = reader.scan_rows::<BlockRow, Bytes>((first, last), Direction::Descending).next().transpose()?;
    let mut account = Account::default();
    if let Some((_, block)) = block {
        account = block.opening;
        for entry in block.entries.read::<PostingEntry>()?.into_iter().take_while(|entry| entry.offset <= offset) {
            for line in entry.lines {
                roll(&mut account, line)?;
            }
        }
    }
    Ok(Some(Balances { partition: row.partition, account }))
}

/// Every account, by user.
pub fn accounts(reader: &ViewReader) -> impl Iterator<Item = Result<(UserId, AccountRow), Error>> + use<> {
    reader.scan_prefix_rows::<AccountRow>(&[keys::ACCOUNT], Direction::Ascending).map(|row| {
        let (key, row) = row?;
        Ok((user_of(&KeyReader::new(keys::ACCOUNT, &key)?.name()?)?, row))
    })
}

/// The system accounts of every partition.
pub fn system_accounts(reader: &ViewReader) -> Result<BTreeMap<u32, SystemAccounts>, Error> {
    let rows = reader.scan_prefix_rows::<SystemAccounts>(&[keys::SYSTEM_ACCOUNT], Direction::Ascending);
    rows.map(|row| {
        let (key, row) = row?;
        Ok((KeyReader::new(keys::SYSTEM_ACCOUNT, &key)?.u32()?, row))
    })
    .collect()
}

/// The sum over all accounts, system accounts included, per partition and asset: every one must be zero.
pub fn sums_by_partition(reader: &ViewReader) -> Result<BTreeMap<(u32, Asset), Amount>, Error> {
    let mut sums: BTreeMap<(u32, Asset), Amount> = BTreeMap::new();
    let mut add = |partition: u32, asset: Asset, amount: Amount| {
        let sum = sums.entry((partition, asset)).or_default();
        *sum = sum.plus(amount);
    };
    for row in accounts(reader) {
        let (_, AccountRow { partition, account, .. }) = row?;
        account.iter().for_each(|(asset, balance)| add(partition, asset, balance.total()));
    }
    for (partition, system) in system_accounts(reader)? {
        system.iter().for_each(|(_, asset, amount)| add(partition, asset, amount));
    }
    Ok(sums)
}

impl Balances {
    /// The position of an offset in the user's partition.
    pub const fn at(&self, offset: u64) -> orderledger_domain::position::Position {
        Topic::Orders.at(self.partition).offset(offset)
    }
}
