//! The fast book against its specification, and scenarios that a trader can check by hand.

mod against_naive;
mod budget;
mod images;
mod room;
mod scenarios;
mod self_trades;

use super::{Action, NewOrder};
use crate::terms::{OrderType, Side, TimeInForce};

/// A gtc limit order without fees.
pub(super) fn limit(key: u64, owner: u64, side: Side, price: i64, quantity: u64) -> NewOrder {
    NewOrder {
        key,
        owner,
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        price,
        quantity,
        budget: 0,
        maker_bps: 0,
        taker_bps: 0,
    }
}

/// A market order that is ioc.
pub(super) fn market(key: u64, owner: u64, side: Side, quantity: u64, budget: i128) -> NewOrder {
    let time_in_force = TimeInForce::Ioc;
    NewOrder { kind: OrderType::Market, time_in_force, budget, ..limit(key, owner, side, 0, quantity) }
}

/// An action in one short line.
pub(super) fn line(action: &Action) -> String {
    match action {
        Action::Trade(t) => format!(
            "trade {}: {} at {}, {} pays {} leaves {}, {} pays {} leaves {}",
            t.book_seq,
            t.quantity,
            t.price,
            t.taker.key,
            t.taker.fee,
            t.taker.leaves,
            t.maker.key,
            t.maker.fee,
            t.maker.leaves
        ),
        Action::Rested { key, leaves } => format!("{key} rests with {leaves}"),
        Action::Expired { key, reason, quantity } => format!("{key} expires with {quantity}: {}", reason.as_str()),
        Action::Rejected { key, reason } => format!("{key} rejected: {}", reason.as_str()),
        Action::Canceled { key, quantity } => format!("{key} canceled with {quantity}"),
        Action::CancelRejected { key } => format!("cancel of {key} rejected"),
        Action::Amended { key, price, total, leaves } => format!("{key} is now {total} at {price}, leaves {leaves}"),
        Action::AmendRejected { key, reason } => format!("amend of {key} rejected: {}", reason.as_str()),
    }
}
