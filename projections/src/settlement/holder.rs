//! One user in memory: balances, open orders, the newest blocks while the user is active.

use bytes::Bytes;
use hashbrown::HashMap;
use orderledger_domain::account::{Account, Balance, LedgerAccount, Postings};
use orderledger_domain::event::OrderFilled;
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::order::Order;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::packed::Packed;
use orderledger_store::views::{Changes, View};

use super::blocks::{BlockRow, FillEntry, NewestBlock, PostingEntry};
use super::rows::{AccountRow, offset_key, user_key};
use super::tracked::{Note, Stored, Tracked};
use crate::worker::fold::{Failure, Unappliable};

/// Which derived record is applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// Where it stands.
    pub(super) position: Position,
    /// When it happened.
    pub(super) time: Timestamp,
    /// Which record it answers.
    pub(super) cause: Position,
}

/// What a record does to a user's money, checked and encoded before anything changes.
#[derive(Debug)]
pub(super) struct Movement {
    postings: Postings,
    posting_entry: Option<(Vec<u8>, u32)>,
    fill_entry: Option<Vec<u8>>,
}

impl Movement {
    pub(super) fn postings(&self) -> &Postings {
        &self.postings
    }
}

#[derive(Debug)]
pub(super) struct Holder {
    pub(super) row: AccountRow,
    /// Open orders that a record named since the user is in memory, and closed ones that changed in this batch.
    /// Boxed: a map has room for more than it holds.
    pub(super) orders: HashMap<OrderId, Box<Tracked>>,
    changed_orders: Vec<OrderId>,
    newest: Option<Box<Newest>>,
    /// Blocks that are full and not yet in the view.
    finished: Vec<(Bytes, BlockRow)>,
    /// The row differs from the one in the view.
    row_changed: bool,
    /// It stands in the list of those to be written.
    pub(super) is_touched: bool,
    /// A record named the user since it was last looked at for forgetting it.
    pub(super) is_named: bool,
    /// Its newest blocks were wanted since they were last looked at for forgetting them.
    pub(super) is_active: bool,
}

#[derive(Debug)]
struct Newest {
    postings: NewestBlock,
    /// Read back with the first fill.
    fills: Option<NewestBlock>,
}

impl Holder {
    /// A user that no event named before.
    pub(super) fn new(partition: u32) -> Holder {
        let row = AccountRow { partition, posting_block: None, fill_block: None, account: Account::default() };
        Holder { row_changed: true, ..Holder::of_row(row) }
    }

    pub(super) fn of_row(row: AccountRow) -> Holder {
        Holder {
            row,
            orders: HashMap::new(),
            changed_orders: Vec::new(),
            newest: None,
            finished: Vec::new(),
            row_changed: false,
            is_touched: false,
            is_named: false,
            is_active: false,
        }
    }

    /// The order of that id, open or closed; none if it was never judged.
    pub(super) fn order(
        &mut self,
        view: &View,
        user: &UserId,
        order_id: &OrderId,
    ) -> Result<Option<&mut Tracked>, Error> {
        if !self.orders.contains_key(order_id) {
            let Some(row) = super::queries::judged_order(&view.reader()?, user, order_id)? else { return Ok(None) };
            let stored = if row.order.status.is_open() { Stored::Open } else { Stored::Closed };
            self.orders.insert(order_id.clone(), Box::new(Tracked::new(row, stored)));
        }
        Ok(self.orders.get_mut(order_id).map(|tracked| &mut **tracked))
    }

    /// Forgets an order that was read back and didn't change.
    pub(super) fn forget_read_back(&mut self, order_id: &OrderId) {
        if self.orders.get(order_id).is_some_and(|tracked| tracked.is_as_read_back()) {
            self.orders.remove(order_id);
        }
    }

    /// Checks and encodes what a record moves. Changes nothing but the cache of newest blocks.
    pub(super) fn prepare(
        &mut self,
        view: &View,
        user: &UserId,
        fact: &Fact,
        postings: Postings,
        order_id: Option<&OrderId>,
        fill: Option<&OrderFilled>,
    ) -> Result<Movement, Failure> {
        check(&self.row.account, &postings)?;
        let lines: Vec<_> =
            postings.iter().filter(|posting| posting.account.is_of_user()).map(|posting| posting.into()).collect();
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let Fact { position: Position { offset, .. }, time, .. } = *fact;
        let mut movement = Movement { postings, posting_entry: None, fill_entry: None };
        if count > 0 {
            let trade_id = fill.map(|fill| fill.trade_id.clone());
            let entry = PostingEntry { offset, time, order_id: order_id.cloned(), trade_id, lines };
            movement.posting_entry = Some((Packed::encode(&entry)?, count));
        }
        if let Some(fill) = fill {
            movement.fill_entry = Some(Packed::encode(&FillEntry::new(offset, time, fill))?);
        }
        if count > 0 || fill.is_some() {
            self.load_newest(view, user, fill.is_some())?;
        }
        Ok(movement)
    }

    fn load_newest(&mut self, view: &View, user: &UserId, with_fills: bool) -> Result<(), Error> {
        self.is_active = true;
        let newest = match &mut self.newest {
            Some(newest) => newest,
            none => {
                let first = self.row.posting_block;
                let postings = NewestBlock::load(&view.reader()?, keys::POSTING_BLOCK, user, first)?;
                none.insert(Box::new(Newest { postings, fills: None }))
            }
        };
        if with_fills && newest.fills.is_none() {
            newest.fills = Some(NewestBlock::load(&view.reader()?, keys::FILL_BLOCK, user, self.row.fill_block)?);
        }
        Ok(())
    }

    /// Whether the newest blocks are in memory.
    pub(super) const fn has_newest(&self) -> bool {
        self.newest.is_some()
    }

    /// What the newest blocks take in memory, about.
    pub(super) fn newest_bytes(&self) -> usize {
        self.newest
            .as_ref()
            .map_or(0, |newest| newest.postings.bytes() + newest.fills.as_ref().map_or(0, NewestBlock::bytes))
    }

    /// Forgets the newest blocks; they are in the view.
    pub(super) fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// Moves what [`Holder::prepare`] checked.
    pub(super) fn carry_out(&mut self, user: &UserId, fact: &Fact, movement: &Movement) {
        let offset = fact.position.offset;
        let Some(newest) = &mut self.newest else { return };
        if let Some((entry, lines)) = &movement.posting_entry {
            if newest.postings.is_full() {
                let full = newest.postings.begin(offset, self.row.account.clone());
                self.finished.extend(full.map(|(first, row)| (offset_key(keys::POSTING_BLOCK, user, first), row)));
                self.row.posting_block = Some(offset);
            }
            newest.postings.append(entry, *lines);
            // It was checked: no account falls below zero.
            let _ = self.row.account.post_all(&movement.postings);
            self.row_changed = true;
        }
        if let (Some(entry), Some(fills)) = (&movement.fill_entry, &mut newest.fills) {
            if fills.is_full() {
                let full = fills.begin(offset, Account::default());
                self.finished.extend(full.map(|(first, row)| (offset_key(keys::FILL_BLOCK, user, first), row)));
                self.row.fill_block = Some(offset);
                self.row_changed = true;
            }
            fills.append(entry, 1);
        }
    }

    /// Writes down what a record did to one of the orders, `order` being it as it is now.
    pub(super) fn note(&mut self, order_id: &OrderId, order: Option<Order>, fact: &Fact, note: Note) {
        if let Some(tracked) = self.orders.get_mut(order_id) {
            tracked.note(order, fact, note);
            if !std::mem::replace(&mut tracked.changed, true) {
                self.changed_orders.push(order_id.clone());
            }
        }
    }

    /// Moves every changed row into `changes`; closed orders leave the memory.
    pub(super) fn write_rows(&mut self, user: &UserId, changes: &mut Changes) -> Result<(), Error> {
        let mut changed_orders = std::mem::take(&mut self.changed_orders);
        changed_orders.sort_by_cached_key(|id| self.orders.get(id).map(|tracked| tracked.row.order.created_offset));
        for order_id in changed_orders {
            if let Some(tracked) = self.orders.get_mut(&order_id) {
                tracked.write_rows(user, changes)?;
                if !tracked.row.order.status.is_open() {
                    self.orders.remove(&order_id);
                }
            }
        }
        for (key, block) in self.finished.drain(..) {
            changes.put_row(key, &block)?;
        }
        if let Some(newest) = &mut self.newest {
            if let Some((key, block)) = newest.postings.take_changed(keys::POSTING_BLOCK, user) {
                changes.put_row(key, block)?;
            }
            let fills = newest.fills.as_mut();
            if let Some((key, block)) = fills.and_then(|fills| fills.take_changed(keys::FILL_BLOCK, user)) {
                changes.put_row(key, block)?;
            }
        }
        if std::mem::take(&mut self.row_changed) {
            changes.put_row(user_key(keys::ACCOUNT, user), &self.row)?;
        }
        Ok(())
    }
}

/// Double entry: the postings of one event sum to zero per asset, and none takes a user's account below zero.
fn check(account: &Account, postings: &Postings) -> Result<(), Unappliable> {
    let mut assets: Vec<(Asset, Amount, Balance)> = Vec::with_capacity(2);
    for posting in postings.iter() {
        let known = assets.iter_mut().position(|(asset, ..)| *asset == posting.asset).unwrap_or_else(|| {
            assets.push((posting.asset, Amount::ZERO, account.balance(posting.asset)));
            assets.len().saturating_sub(1)
        });
        let Some((asset, sum, balance)) = assets.get_mut(known) else { continue };
        *sum = sum.plus(posting.change);
        let part = match posting.account {
            LedgerAccount::Available => &mut balance.available,
            LedgerAccount::Reserved => &mut balance.reserved,
            LedgerAccount::Clearing | LedgerAccount::Fees | LedgerAccount::Outside | LedgerAccount::Adjustments => {
                continue;
            }
        };
        *part = part.plus(posting.change);
        if part.is_negative() {
            let (reason, account) = (posting.reason.as_str(), posting.account.as_str());
            let change = posting.change;
            return Err(Unappliable(format!(
                "a {reason} posting of {change} {asset} takes the {account} account below zero"
            )));
        }
    }
    match assets.iter().find(|(_, sum, _)| !sum.is_zero()) {
        Some((asset, sum, _)) => Err(Unappliable(format!("its postings of {asset} sum to {sum}, not to zero"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use orderledger_domain::account::PostingReason;

    use super::*;

    #[test]
    fn postings_that_overdraw_or_do_not_balance_are_found_before_they_are_made() {
        let text = |account: &Account, postings: &Postings| check(account, postings).map_err(|error| error.0);
        let mut account = Account::default();
        let deposit = Postings::deposit(Asset::USD, Amount::from_units(100));
        assert_eq!(text(&account, &deposit), Ok(()));
        assert_eq!(account.post_all(&deposit), Ok(()));
        let mut twice = Postings::default();
        for _ in 0..2 {
            let (from, to) = (LedgerAccount::Available, LedgerAccount::Reserved);
            twice.transfer(Asset::USD, Amount::from_units(60), from, to, PostingReason::Reserve);
        }
        let overdrawn = "a reserve posting of -0.006 USD takes the available account below zero";
        assert_eq!(text(&account, &twice), Err(overdrawn.to_owned()));
    }
}
