//! What intake knows of users: balances and the orders that still matter.

use std::collections::BTreeMap;

use orderledger_domain::account::{Account, Overdrawn, Postings};
use orderledger_domain::event::{Event, FeeSchedule};
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::order::{Order, Step, Unexpected};
use serde::{Deserialize, Serialize};

/// The log says something that the rules can't have caused.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Disagreement {
    #[error(transparent)]
    Order(#[from] Unexpected),
    #[error(transparent)]
    Account(#[from] Overdrawn),
    #[error("an event of an order that is not open")]
    NotOpen,
}

/// Balances, live orders and fee rates of one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Accounts {
    accounts: BTreeMap<UserId, Account>,
    /// Open orders, and closed ones with an amend that the book has not answered.
    /// Boxed: a map has room for more than it holds.
    orders: BTreeMap<(UserId, OrderId), Box<Order>>,
    pub(crate) fees: FeeSchedule,
}

impl Accounts {
    pub(crate) fn available(&self, user: &UserId, asset: Asset) -> Amount {
        self.accounts.get(user).map_or(Amount::ZERO, |account| account.balance(asset).available)
    }

    /// The order, if it is open as far as this partition tells.
    pub(crate) fn open_order(&self, user: &UserId, order: &OrderId) -> Option<&Order> {
        self.orders.get(&(user.clone(), order.clone())).map(|order| &**order).filter(|order| order.status.is_open())
    }

    pub(crate) fn post(&mut self, user: &UserId, postings: &Postings) -> Result<(), Overdrawn> {
        match self.accounts.get_mut(user) {
            Some(account) => account.post_all(postings),
            None => self.accounts.entry(user.clone()).or_default().post_all(postings),
        }
    }

    pub(crate) fn open(&mut self, order: Order, postings: &Postings) -> Result<(), Disagreement> {
        self.post(&order.user_id, postings)?;
        self.orders.insert((order.user_id.clone(), order.order_id.clone()), Box::new(order));
        Ok(())
    }

    /// Takes what matching says of an order. Its records only ever raise what is available.
    pub(crate) fn apply_matched(&mut self, event: &Event) -> Result<(), Disagreement> {
        self.change_order(event, |order| match event {
            Event::OrderFilled(fill) => order.fill(fill),
            Event::OrderCanceled(_) => order.close(Step::Canceled),
            Event::OrderExpired(_) => order.close(Step::Expired),
            Event::OrderRejected(_) => order.close(Step::Rejected),
            Event::OrderAmended(amend) => order.amended(amend),
            Event::AmendRejected(amend) => order.amend_rejected(amend),
            _ => Ok(Postings::default()),
        })
    }

    /// Changes one live order and posts what that moves; an order that no longer matters is forgotten.
    pub(crate) fn change_order(
        &mut self,
        event: &Event,
        change: impl FnOnce(&mut Order) -> Result<Postings, Unexpected>,
    ) -> Result<(), Disagreement> {
        let (Some(user), Some(order_id)) = (event.user_id(), event.order_id()) else { return Ok(()) };
        let key = (user.clone(), order_id.clone());
        let Some(order) = self.orders.get_mut(&key) else {
            // A cancel is answered after the order may have closed and been forgotten.
            return if matches!(event, Event::CancelRejected(_)) { Ok(()) } else { Err(Disagreement::NotOpen) };
        };
        let postings = change(order)?;
        if !order.status.is_open() && order.undecided.is_empty() {
            self.orders.remove(&key);
        }
        self.post(user, &postings)?;
        Ok(())
    }
}
