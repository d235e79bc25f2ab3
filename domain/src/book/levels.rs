//! One side of the book: its prices, best first, each with the queue of orders that wait there.

use std::collections::BTreeMap;

use super::slab::{NONE, Slab};
use crate::terms::Side;

/// What stands at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price in 1/10000.
    pub price: i64,
    /// Shares of all its orders.
    pub quantity: u64,
    /// How many orders.
    pub orders: u32,
}

/// A level and the ends of its queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    pub(super) level: Level,
    /// The order that trades first; in a free queue the next free one.
    pub(super) head: u32,
    tail: u32,
}

/// All levels of one side.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    side: Side,
    /// Slot of each price's queue; the first is the best.
    by_rank: BTreeMap<i64, u32>,
    queues: Vec<Queue>,
    free: u32,
    best: u32,
}

impl Ladder {
    pub(super) const fn new(side: Side) -> Self {
        Self { side, by_rank: BTreeMap::new(), queues: Vec::new(), free: NONE, best: NONE }
    }

    /// The queue at the best price.
    pub(super) fn best(&self) -> Option<&Queue> {
        self.queues.get(self.best as usize)
    }

    /// All queues, best price first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Queue> {
        self.by_rank.values().filter_map(|slot| self.queues.get(*slot as usize))
    }

    /// Puts an order at the end of its price's queue.
    pub(super) fn append(&mut self, slab: &mut Slab, slot: u32) {
        let Some(price) = slab.get(slot).map(|node| node.order.price) else { return };
        let at = self.queue_at(price);
        let (Some(queue), Some(node)) = (self.queues.get_mut(at as usize), slab.get_mut(slot)) else { return };
        let last = queue.tail;
        queue.tail = slot;
        queue.level.quantity = queue.level.quantity.saturating_add(node.order.leaves());
        queue.level.orders = queue.level.orders.saturating_add(1);
        node.prev = last;
        node.next = NONE;
        node.level = at;
        match slab.get_mut(last) {
            Some(last) => last.next = slot,
            None => queue.head = slot,
        }
    }

    /// Takes an order out of its queue, and the level away when it was the last there.
    pub(super) fn unlink(&mut self, slab: &mut Slab, slot: u32) {
        let Some(node) = slab.get(slot) else { return };
        let (prev, next, at, leaves) = (node.prev, node.next, node.level, node.order.leaves());
        let Some(queue) = self.queues.get_mut(at as usize) else { return };
        queue.level.quantity = queue.level.quantity.saturating_sub(leaves);
        queue.level.orders = queue.level.orders.saturating_sub(1);
        match slab.get_mut(prev) {
            Some(node) => node.next = next,
            None => queue.head = next,
        }
        match slab.get_mut(next) {
            Some(node) => node.prev = prev,
            None => queue.tail = prev,
        }
        if queue.head == NONE {
            self.remove(at);
        }
    }

    /// Counts shares of an order that stays in its queue as gone.
    pub(super) fn reduce(&mut self, at: u32, quantity: u64) {
        if let Some(queue) = self.queues.get_mut(at as usize) {
            queue.level.quantity = queue.level.quantity.saturating_sub(quantity);
        }
    }

    /// The slot of the queue at a price, made where there is none.
    fn queue_at(&mut self, price: i64) -> u32 {
        let best = self.best().map(|queue| queue.level.price);
        if best == Some(price) {
            return self.best;
        }
        let rank = rank(self.side, price);
        if let Some(slot) = self.by_rank.get(&rank) {
            return *slot;
        }
        let empty = Queue { level: Level { price, quantity: 0, orders: 0 }, head: NONE, tail: NONE };
        let mut slot = self.free;
        match self.queues.get_mut(slot as usize) {
            Some(freed) => {
                self.free = freed.head;
                *freed = empty;
            }
            None => {
                slot = u32::try_from(self.queues.len()).unwrap_or(NONE);
                self.queues.push(empty);
            }
        }
        self.by_rank.insert(rank, slot);
        if best.is_none_or(|best| rank < self::rank(self.side, best)) {
            self.best = slot;
        }
        slot
    }

    /// Frees an empty queue.
    fn remove(&mut self, at: u32) {
        let Some(queue) = self.queues.get_mut(at as usize) else { return };
        queue.head = self.free;
        self.free = at;
        let rank = rank(self.side, queue.level.price);
        self.by_rank.remove(&rank);
        if self.best == at {
            self.best = self.by_rank.first_key_value().map_or(NONE, |(_, slot)| *slot);
        }
    }
}

/// Lower is better, on both sides.
const fn rank(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => price.saturating_neg(),
        Side::Sell => price,
    }
}
