//! The order book of one symbol: price-time priority, numbers only.
//!
//! In: orders, cancels, amends and session closes, one after another. Out: [`Action`]s, written behind what the
//! caller's reused list holds already. Deterministic: the same commands give the same actions, and an image of the book
//! continues exactly like the book. Between commands the best bid is below the best ask.
//!
//! Orders of one owner never trade with each other: where the next order to trade with is its owner's, one of the two
//! expires, which one says [`SelfTrade`]. Fees are those of [`Order::charged`]: over an order's life, rounded up once.
//! [`naive::Book`] is the specification, written without haste; this one must do the same.

mod action;
mod amend;
mod cost;
mod image;
mod index;
mod levels;
mod matching;
pub mod naive;
mod order;
mod self_trade;
mod slab;

#[cfg(test)]
mod tests;

pub use action::{Action, AmendRejectReason, Leg, RejectReason, Trade};
pub use image::{BookImage, ImageError};
pub use levels::Level;
pub use order::{NewOrder, ORDERS_MAX, Order, PRICE_MAX, QUANTITY_MAX, Unusable};
pub use self_trade::SelfTrade;

pub use crate::reason::ExpireReason;
use crate::terms::{Side, TimeInForce};
use index::Index;
use levels::Ladder;
use slab::Slab;

/// The book of one symbol.
///
/// Resting orders are nodes of one slab, queued by links in their price's level. Steady traffic allocates nothing per
/// order; only new levels do, now and then, in the tree of prices. (A sorted row instead took inserts 1.3 times as fast
/// with up to 1,000 levels, but was three to four times as slow with 100,000, which anyone's cheap orders can make.)
#[derive(Clone, Debug)]
pub struct Book {
    slab: Slab,
    index: Index,
    bids: Ladder,
    asks: Ladder,
    next_arrival: u64,
    last_book_seq: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// An empty book that has seen no trade.
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            index: Index::default(),
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            next_arrival: 1,
            last_book_seq: 0,
        }
    }

    /// Takes a resting order out at its owner's wish.
    pub fn cancel(&mut self, key: u64, actions: &mut Vec<Action>) {
        actions.push(match self.remove(key) {
            Some(order) => Action::Canceled { key, quantity: order.leaves() },
            None => Action::CancelRejected { key },
        });
    }

    /// Expires all day orders, the earliest arrival first.
    pub fn close_session(&mut self, actions: &mut Vec<Action>) {
        let day = |order: &&Order| order.time_in_force == TimeInForce::Day;
        let keys: Vec<u64> = self.orders().into_iter().filter(day).map(|order| order.key).collect();
        for key in keys {
            if let Some(order) = self.remove(key) {
                let reason = ExpireReason::SessionClosed;
                actions.push(Action::Expired { key, reason, quantity: order.leaves() });
            }
        }
    }

    /// The best price of a side and what stands there.
    pub fn best(&self, side: Side) -> Option<Level> {
        self.ladder(side).best().map(|queue| queue.level)
    }

    /// The levels of a side, best price first.
    pub fn depth(&self, side: Side) -> impl Iterator<Item = Level> {
        self.ladder(side).iter().map(|queue| queue.level)
    }

    /// A resting order.
    pub fn get(&self, key: u64) -> Option<&Order> {
        let slot = self.index.get(&key)?;
        self.slab.get(*slot).map(|node| &node.order)
    }

    /// How many orders rest.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no order rests.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Number of the last trade; 0 before the first.
    pub const fn last_book_seq(&self) -> u64 {
        self.last_book_seq
    }

    /// All resting orders, the earliest arrival first.
    pub fn orders(&self) -> Vec<&Order> {
        let mut orders: Vec<&Order> = self.slab.iter().map(|(_, node)| &node.order).collect();
        orders.sort_unstable_by_key(|order| order.arrival);
        orders
    }

    const fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    /// Takes a resting order out.
    fn remove(&mut self, key: u64) -> Option<Order> {
        let slot = self.index.remove(&key)?;
        let order = self.slab.get(slot)?.order;
        match order.side {
            Side::Buy => self.bids.unlink(&mut self.slab, slot),
            Side::Sell => self.asks.unlink(&mut self.slab, slot),
        }
        self.slab.free(slot);
        Some(order)
    }

    /// Puts an order last in its price's queue.
    fn rest(&mut self, mut order: Order) {
        order.arrival = self.next_arrival;
        self.next_arrival = self.next_arrival.saturating_add(1);
        self.insert(order);
    }

    /// Puts an order with the arrival it has last in its price's queue.
    fn insert(&mut self, order: Order) {
        let slot = self.slab.insert(order);
        self.index.insert(order.key, slot);
        match order.side {
            Side::Buy => self.bids.append(&mut self.slab, slot),
            Side::Sell => self.asks.append(&mut self.slab, slot),
        }
    }
}
