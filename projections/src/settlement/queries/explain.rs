//! Where a balance comes from: its postings by reason, and the orders that hold what is reserved.

use std::collections::BTreeMap;

use orderledger_domain::account::{Balance, LedgerAccount, PostingReason};
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Direction, ViewReader};

use super::super::blocks::{PostingEntry, PostingLine};
use super::super::rows::AdjustmentRow;
use super::adjustments::booked_adjustments;
use super::journal::blocks;
use super::past::Past;

/// The postings made for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The sum of the debits, as a positive amount.
    pub debit: Amount,
    /// The sum of the credits.
    pub credit: Amount,
    /// What they come to.
    pub change: Balance,
    /// Where the first one's event stands in the user's partition.
    pub first: u64,
    /// And the last one's.
    pub last: u64,
}

/// What an order holds of the asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The order.
    pub order_id: OrderId,
    /// How much it holds.
    pub reserved: Amount,
    /// Where the event stands that reserved first.
    pub first: u64,
    /// And the newest that changed what it holds.
    pub last: u64,
}

/// What one balance is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// By reason.
    pub groups: BTreeMap<PostingReason, Group>,
    /// What orders hold, the oldest first.
    pub reservations: Vec<Reservation>,
    /// Operators' corrections that are among the postings, the oldest first.
    pub adjustments: Vec<AdjustmentRow>,
}

impl Explained {
    /// What all groups come to.
    pub fn sum(&self) -> Balance {
        self.groups.values().fold(Balance::default(), |sum, group| Balance {
            available: sum.available.plus(group.change.available),
            reserved: sum.reserved.plus(group.change.reserved),
        })
    }

    /// What all reservations come to.
    pub fn held(&self) -> Amount {
        self.reservations.iter().fold(Amount::ZERO, |sum, one| sum.plus(one.reserved))
    }
}

/// Reads a user's journal block by block; in memory stand the groups and the orders that hold something.
pub fn explain(reader: &ViewReader, user: &UserId, asset: Asset, past: Option<Past>) -> Result<Explained, Error> {
    let (mut groups, mut holding) = (BTreeMap::new(), BTreeMap::new());
    'journal: for block in blocks(reader, keys::POSTING_BLOCK, user, None, Direction::Ascending)? {
        for entry in block?.entries.read::<PostingEntry>()? {
            if entry.offset > Past::last_of(past) {
                break 'journal;
            }
            if past.is_some_and(|past| !past.has(entry.offset, entry.time)) {
                continue;
            }
            for line in entry.lines.iter().filter(|line| line.asset == asset) {
                add(&mut groups, line, entry.offset);
                if let (LedgerAccount::Reserved, Some(order_id)) = (line.account, &entry.order_id) {
                    hold(&mut holding, order_id, line.change, entry.offset);
                }
            }
        }
    }
    let mut reservations: Vec<Reservation> = holding.into_values().collect();
    reservations.sort_by_key(|one| one.first);
    let is_adjusted = groups.contains_key(&PostingReason::Adjustment);
    let adjustments = booked_adjustments(reader, user, asset, past).take_while(|_| is_adjusted);
    let adjustments = adjustments.collect::<Result<Vec<_>, Error>>()?;
    Ok(Explained { groups, reservations, adjustments })
}

fn add(groups: &mut BTreeMap<PostingReason, Group>, line: &PostingLine, offset: u64) {
    let (change, first, last) = (Balance::default(), offset, offset);
    let (count, debit, credit) = (0, Amount::ZERO, Amount::ZERO);
    let group = groups.entry(line.reason).or_insert(Group { count, debit, credit, change, first, last });
    group.count = group.count.saturating_add(1);
    group.last = offset;
    if line.change.is_negative() {
        group.debit = group.debit.plus(line.change.negated());
    } else {
        group.credit = group.credit.plus(line.change);
    }
    let part = match line.account {
        LedgerAccount::Reserved => &mut group.change.reserved,
        _ => &mut group.change.available,
    };
    *part = part.plus(line.change);
}

fn hold(holding: &mut BTreeMap<OrderId, Reservation>, order_id: &OrderId, change: Amount, offset: u64) {
    let begun = || Reservation { order_id: order_id.clone(), reserved: Amount::ZERO, first: offset, last: offset };
    let held = holding.entry(order_id.clone()).or_insert_with(begun);
    held.reserved = held.reserved.plus(change);
    held.last = offset;
    if held.reserved.is_zero() {
        holding.remove(order_id);
    }
}
