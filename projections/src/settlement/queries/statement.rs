//! A statement: what a user had, what was posted in a stretch of the user's partition, and what the user had then.

use std::collections::BTreeMap;

use orderledger_domain::account::{Account, Balance, LedgerAccount};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Direction, ViewReader};

use super::super::blocks::PostingEntry;
use super::accounts::balances_as_of;
use super::journal::{PostingRow, PostingsFilter, blocks, postings_where};
use super::page::{Listing, Page};
use super::past::Past;

/// A stretch of a partition of `orders`. By place in the log, so what it holds never changes once it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first offset.
    pub from: u64,
    /// The first offset behind it.
    pub end: u64,
}

/// One asset of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetPeriod {
    /// What there was before the period.
    pub opening: Balance,
    /// The sum of the period's debits, as a positive amount.
    pub debit: Amount,
    /// The sum of its credits.
    pub credit: Amount,
    /// What its postings come to.
    pub change: Balance,
    /// What there was at its end.
    pub closing: Balance,
}

/// What a period did to a user's balances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Every asset that the user had touched by the period's end.
    pub assets: BTreeMap<Asset, AssetPeriod>,
}

impl AssetPeriod {
    /// Whether opening balance and postings make the closing balance.
    pub fn adds_up(&self) -> bool {
        let plus = |one: Balance, other: Balance| Balance {
            available: one.available.plus(other.available),
            reserved: one.reserved.plus(other.reserved),
        };
        plus(self.opening, self.change) == self.closing
    }

    /// Takes one posting of the period.
    pub fn post(&mut self, account: LedgerAccount, change: Amount) {
        if change.is_negative() {
            self.debit = self.debit.plus(change.negated());
        } else {
            self.credit = self.credit.plus(change);
        }
        let part = match account {
            LedgerAccount::Reserved => &mut self.change.reserved,
            _ => &mut self.change.available,
        };
        *part = part.plus(change);
    }
}

impl Statement {
    /// Opening and closing balances of a period; its postings are still to be taken.
    pub fn open(reader: &ViewReader, user: &UserId, period: Period) -> Result<Statement, Error> {
        let before = |end: u64| -> Result<Account, Error> {
            let Some(last) = end.checked_sub(1) else { return Ok(Account::default()) };
            Ok(balances_as_of(reader, user, last)?.map(|balances| balances.account).unwrap_or_default())
        };
        let (opening, closing) = (before(period.from)?, before(period.end)?);
        let row = |(asset, closing)| {
            let opening = opening.balance(asset);
            (asset, AssetPeriod { opening, closing, ..AssetPeriod::default() })
        };
        Ok(Statement { assets: closing.iter().map(row).collect() })
    }

    /// Whether every asset adds up.
    pub fn adds_up(&self) -> bool {
        self.assets.values().all(AssetPeriod::adds_up)
    }
}

/// A user's statement: opening and closing balances by a seek each, what lies between by the period's blocks.
pub fn statement(reader: &ViewReader, user: &UserId, period: Period) -> Result<Statement, Error> {
    let mut made = Statement::open(reader, user, period)?;
    'journal: for block in blocks(reader, keys::POSTING_BLOCK, user, Some(period.from), Direction::Ascending)? {
        for entry in block?.entries.read::<PostingEntry>()? {
            if entry.offset >= period.end {
                break 'journal;
            }
            if entry.offset >= period.from {
                for line in entry.lines {
                    made.assets.entry(line.asset).or_default().post(line.account, line.change);
                }
            }
        }
    }
    Ok(made)
}

/// The postings of a period, the oldest first. A place is (offset, line within the event).
pub fn period_postings(
    reader: &ViewReader,
    user: &UserId,
    period: Period,
    after: Option<(u64, u32)>,
    limit: usize,
) -> Result<Listing<PostingRow, (u64, u32)>, Error> {
    let Some(last) = period.end.checked_sub(1).filter(|_| period.from < period.end) else {
        return Ok(Listing { rows: Vec::new(), next: None });
    };
    let before = period.from.checked_sub(1).map(|offset| (offset, u32::MAX));
    let page = Page { after: after.max(before), limit, direction: Direction::Ascending };
    let filter = PostingsFilter { past: Some(Past::After(last)), ..PostingsFilter::default() };
    postings_where(reader, user, &filter, &page)
}
