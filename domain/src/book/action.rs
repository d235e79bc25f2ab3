//! What a command did to the book, as data: the caller turns it into events.

use serde::{Deserialize, Serialize};

use crate::reason::ExpireReason;
use crate::terms::Side;

/// One step of a command's outcome; a command's steps stand in the order in which they happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Two orders met.
    Trade(Trade),
    /// What is left of the order stands in the book now, last in its price's queue.
    Rested {
        /// The order.
        key: u64,
        /// Shares still to trade.
        leaves: u64,
    },
    /// The order left by its own rule.
    Expired {
        /// The order.
        key: u64,
        /// Which rule.
        reason: ExpireReason,
        /// Shares that stayed untraded.
        quantity: u64,
    },
    /// The order never got in: it is post-only and would have traded.
    Rejected {
        /// The order.
        key: u64,
        /// Why.
        reason: RejectReason,
    },
    /// The order left because its owner asked.
    Canceled {
        /// The order.
        key: u64,
        /// Shares that stayed untraded.
        quantity: u64,
    },
    /// Nothing to cancel: the order doesn't rest here.
    CancelRejected {
        /// The order.
        key: u64,
    },
    /// The order has new terms. If it lost its place, trades and its rest or expiry follow.
    Amended {
        /// The order.
        key: u64,
        /// The price from now on, in 1/10000.
        price: i64,
        /// The total quantity from now on, what was traded included.
        total: u64,
        /// Shares still to trade.
        leaves: u64,
    },
    /// The order stays as it is, or is gone.
    AmendRejected {
        /// The order.
        key: u64,
        /// Why.
        reason: AmendRejectReason,
    },
}

/// One match of a resting order with an incoming one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// Number of the trade in this book: from 1, without gaps.
    pub book_seq: u64,
    /// The resting order's price, in 1/10000.
    pub price: i64,
    /// Shares traded.
    pub quantity: u64,
    /// The order that waited.
    pub maker: Leg,
    /// The order that came.
    pub taker: Leg,
    /// The side of the order that came.
    pub taker_side: Side,
}

/// A trade as one of its two orders sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The order.
    pub key: u64,
    /// The fee of this fill, in 1/10000.
    pub fee: i128,
    /// Shares still to trade after it (FIX tag 151).
    pub leaves: u64,
    /// Shares traded so far, this fill included (FIX tag 14).
    pub cum: u64,
}

/// Why the book refused an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// A post-only order would have traded at once.
    PostOnlyWouldCross,
}

impl RejectReason {
    /// The name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            RejectReason::PostOnlyWouldCross => "post_only_would_cross",
        }
    }
}

/// Why the book refused an amend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmendRejectReason {
    /// The order doesn't rest here (any more).
    OrderClosed,
    /// The new total is not above what was traded.
    BelowFilled,
    /// A post-only order would trade at its new price.
    PostOnlyWouldCross,
}

impl AmendRejectReason {
    /// The name in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            AmendRejectReason::OrderClosed => "order_closed",
            AmendRejectReason::BelowFilled => "below_filled",
            AmendRejectReason::PostOnlyWouldCross => "post_only_would_cross",
        }
    }
}
