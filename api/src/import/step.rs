//! What a file asks of the ledger, step by step, and what the ledger made of it.

use std::collections::BTreeSet;

use orderledger_domain::ids::OrderId;
use orderledger_domain::money::{Price, Quantity};
use orderledger_domain::terms::{Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;

/// An order's number in its import, from 0 in the order of placing.
pub type OrderNumber = usize;

/// One request to the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When the file says it happened.
    pub time: Timestamp,
    /// Of which order.
    pub order: OrderNumber,
    /// What is asked.
    pub ask: Ask,
}

/// What a step asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Place it, with the terms that [`Orders`] has.
    Place,
    /// Amend it down to this total, cumQuantity included.
    Amend(Quantity),
    /// Cancel it.
    Cancel,
}

/// A limit order of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id, unique in its import.
    pub id: OrderId,
    /// Buy or sell.
    pub side: Side,
    /// Which of its side's accounts it belongs to, from 0.
    pub owner: usize,
    /// Its price.
    pub price: Price,
    /// Its shares.
    pub quantity: Quantity,
    /// Gtc, or ioc for an execution.
    pub time_in_force: TimeInForce,
}

/// Every order of an import so far, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders(Vec<Order>);

impl Orders {
    /// The order of that number.
    pub fn get(&self, number: OrderNumber) -> Option<&Order> {
        self.0.get(number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in the order of placing.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, order: Order) -> OrderNumber {
        self.0.push(order);
        self.0.len().saturating_sub(1)
    }
}

/// A trade that the ledger made between two orders of the import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its price.
    pub price: Price,
    /// Its shares.
    pub quantity: Quantity,
    /// The order that rested.
    pub maker: OrderNumber,
    /// The order that came.
    pub taker: OrderNumber,
}

/// What the ledger made of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Every trade, by bookSeq.
    pub trades: Vec<Trade>,
    /// The orders that ended by a cancel: they were live when it reached the book.
    pub canceled: BTreeSet<OrderNumber>,
}

/// Deals a side's orders out to its accounts, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dealer {
    accounts: usize,
    dealt: [usize; 2],
}

impl Dealer {
    /// To so many accounts of each side.
    pub(super) fn new(accounts: usize) -> Dealer {
        Dealer { accounts: accounts.max(1), dealt: [0, 0] }
    }

    pub(super) fn next(&mut self, side: Side) -> usize {
        let [buys, sells] = &mut self.dealt;
        let dealt = match side {
            Side::Buy => buys,
            Side::Sell => sells,
        };
        let owner = dealt.checked_rem(self.accounts).unwrap_or(0);
        *dealt = dealt.saturating_add(1);
        owner
    }
}
