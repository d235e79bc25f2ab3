//! Where resting orders live: one growing row of nodes, linked by 32-bit numbers, freed ones used again.

use super::order::{ORDERS_MAX, Order};

/// No node, no level. Never a slot: both rows end at [`ORDERS_MAX`].
pub(super) const NONE: u32 = u32::MAX;

/// A resting order in its level's queue.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) order: Order,
    /// The order before it at the same price.
    pub(super) prev: u32,
    /// The order after it at the same price; in a free node the next free one.
    pub(super) next: u32,
    /// The level it stands in; [`NONE`] in a free node.
    pub(super) level: u32,
}

/// All nodes of one book.
#[derive(Clone, Debug)]
pub(super) struct Slab {
    nodes: Vec<Node>,
    free: u32,
}

impl Slab {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), free: NONE }
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Node> {
        self.nodes.get(slot as usize)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Node> {
        self.nodes.get_mut(slot as usize)
    }

    /// Whether no further order fits.
    pub(super) fn is_full(&self) -> bool {
        self.free == NONE && self.nodes.len() >= ORDERS_MAX as usize
    }

    /// Stores an order, outside of any queue yet, and gives its slot.
    pub(super) fn insert(&mut self, order: Order) -> u32 {
        let node = Node { order, prev: NONE, next: NONE, level: NONE };
        let slot = self.free;
        if let Some(freed) = self.nodes.get_mut(slot as usize) {
            self.free = freed.next;
            *freed = node;
            return slot;
        }
        let slot = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(node);
        slot
    }

    /// Frees a slot that is in no queue any more.
    pub(super) fn free(&mut self, slot: u32) {
        if let Some(node) = self.nodes.get_mut(slot as usize) {
            node.next = self.free;
            node.level = NONE;
            self.free = slot;
        }
    }

    /// The nodes in use with their slots, in no useful order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Node)> {
        (0u32..).zip(&self.nodes).filter(|(_, node)| node.level != NONE)
    }
}
