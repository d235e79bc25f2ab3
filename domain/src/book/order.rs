//! An order as the book sees it: numbers only, within bounds that keep every sum exact.

use serde::{Deserialize, Serialize};

use super::cost::fee_due;
use crate::terms::{Liquidity, OrderType, Side, TimeInForce};

/// Highest price, in 1/10000: a million.
pub const PRICE_MAX: i64 = 10_000_000_000;
/// Most shares in one order.
pub const QUANTITY_MAX: u64 = 100_000_000_000;
/// Most orders resting in one book. A level's shares then fit `u64`: 10^8 orders of 10^11 shares.
pub const ORDERS_MAX: u32 = 100_000_000;

/// An order on its way into the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// The order's number, unique among all orders that this book ever sees.
    pub key: u64,
    /// The account's number: orders of one owner don't trade with each other.
    pub owner: u64,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderType,
    /// Day or gtc for a limit order; ioc or fok for either kind.
    pub time_in_force: TimeInForce,
    /// Only ever a maker: refused where it would trade at once. For resting orders alone.
    pub post_only: bool,
    /// Worst price in 1/10000, from 1 to [`PRICE_MAX`]; 0 for a market order.
    pub price: i64,
    /// Shares, from 1 to [`QUANTITY_MAX`].
    pub quantity: u64,
    /// Market buy: cost and fees together stay within it, in 1/10000. Of no meaning otherwise.
    pub budget: i128,
    /// Fee rate of its resting part, in 1/10000 of the notional.
    pub maker_bps: u32,
    /// Fee rate of its incoming part, in 1/10000 of the notional.
    pub taker_bps: u32,
}

/// Terms that no caller should hand to a book: whoever accepted the order has let them through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The price is out of bounds for the order's type.
    #[error("the price is out of bounds")]
    Price,
    /// The quantity is out of bounds.
    #[error("the quantity is out of bounds")]
    Quantity,
    /// The terms contradict each other.
    #[error("type, time in force and post-only contradict each other")]
    Terms,
    /// An order with this number rests in the book already.
    #[error("an order with this number rests already")]
    KeyRests,
    /// The book holds [`ORDERS_MAX`] orders.
    #[error("the book is full")]
    Full,
}

impl NewOrder {
    /// Whether a book can take this order at all.
    ///
    /// # Errors
    /// Which of the terms is unusable.
    pub fn check(&self) -> Result<(), Unusable> {
        check_quantity(self.quantity)?;
        match self.kind {
            OrderType::Limit => {
                check_price(self.price)?;
                if self.post_only && !self.time_in_force.rests() { Err(Unusable::Terms) } else { Ok(()) }
            }
            OrderType::Market if self.price != 0 => Err(Unusable::Price),
            OrderType::Market if self.post_only || self.time_in_force.rests() => Err(Unusable::Terms),
            OrderType::Market => Ok(()),
        }
    }
}

/// Whether a limit order may have this price.
pub(super) fn check_price(price: i64) -> Result<(), Unusable> {
    if (1..=PRICE_MAX).contains(&price) { Ok(()) } else { Err(Unusable::Price) }
}

/// Whether an order may have this total quantity.
pub(super) fn check_quantity(quantity: u64) -> Result<(), Unusable> {
    if (1..=QUANTITY_MAX).contains(&quantity) { Ok(()) } else { Err(Unusable::Quantity) }
}

/// An order that rests, or is about to, with everything its next fill depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order's number.
    pub key: u64,
    /// The account's number.
    pub owner: u64,
    /// Place in the book's queue of all orders: lower came earlier. 0 while it doesn't rest.
    pub arrival: u64,
    /// Worst price in 1/10000.
    pub price: i64,
    /// Total shares, what was traded included.
    pub quantity: u64,
    /// Shares traded so far.
    pub cum: u64,
    /// Notional traded as maker so far, in 1/10000.
    pub maker_notional: i128,
    /// Notional traded as taker so far, in 1/10000.
    pub taker_notional: i128,
    /// Fees of all fills so far, in 1/10000.
    pub charged: i128,
    /// Fee rate as maker.
    pub maker_bps: u32,
    /// Fee rate as taker.
    pub taker_bps: u32,
    /// Buy or sell.
    pub side: Side,
    /// Day or gtc, for an order that rests.
    pub time_in_force: TimeInForce,
    /// Whether an amend may make it trade at once.
    pub post_only: bool,
}

impl Order {
    /// The order as it comes: nothing traded yet, in no queue.
    pub(super) fn incoming(new: &NewOrder) -> Self {
        Self {
            key: new.key,
            owner: new.owner,
            arrival: 0,
            price: new.price,
            quantity: new.quantity,
            cum: 0,
            maker_notional: 0,
            taker_notional: 0,
            charged: 0,
            maker_bps: new.maker_bps,
            taker_bps: new.taker_bps,
            side: new.side,
            time_in_force: new.time_in_force,
            post_only: new.post_only,
        }
    }

    /// Shares still to trade (FIX tag 151).
    pub const fn leaves(&self) -> u64 {
        self.quantity.saturating_sub(self.cum)
    }

    /// Whether the order would trade with one that rests on the other side at `price`.
    pub(super) const fn crosses(&self, price: i64) -> bool {
        match self.side {
            Side::Buy => price <= self.price,
            Side::Sell => price >= self.price,
        }
    }

    /// Books a fill of `quantity` shares for `notional` and gives its fee.
    pub(super) fn fill(&mut self, liquidity: Liquidity, quantity: u64, notional: i128) -> i128 {
        self.cum = self.cum.saturating_add(quantity);
        match liquidity {
            Liquidity::Maker => self.maker_notional = self.maker_notional.saturating_add(notional),
            Liquidity::Taker => self.taker_notional = self.taker_notional.saturating_add(notional),
        }
        let due = fee_due(self.maker_bps, self.maker_notional, self.taker_bps, self.taker_notional);
        let fee = due.saturating_sub(self.charged);
        self.charged = due;
        fee
    }
}
