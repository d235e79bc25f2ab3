//! What an import of LOBSTER's files tells in the end.

use serde::Serialize;

use super::super::step::{OrderNumber, Orders, Trade};

/// How many levels are compared.
pub const LEVELS: usize = 10;

/// What the ledger made of the files, beside what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// All messages of the file.
    pub messages: u64,
    /// Limit orders placed: type 1, and those from outside the file's window. Neither executions nor synthetic depth.
    pub orders: u64,
    /// Type 3.
    pub cancels: u64,
    /// Type 2.
    pub reductions: u64,
    /// Types 5 to 7, what nothing is ever taken from with `--whole-day`, and what names an order that is not there yet.
    pub skipped: u64,
    /// Trades that the ledger made.
    pub trades: u64,
    /// Type 4.
    pub executions: Executions,
    /// The book beside the rows of `--orderbook`.
    pub levels: Levels,
}

/// The file's visible executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Executions {
    /// All of them.
    pub in_file: u64,
    /// Traded whole, at the file's price.
    pub reproduced: u64,
    /// And with the order that the file names.
    pub at_named_order: u64,
}

/// How often our book was the file's, after a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Levels {
    /// How many rows were compared.
    pub rows: u64,
    /// For each level, the best first, in how many rows price and size of both sides were equal.
    pub equal: [u64; LEVELS],
}

/// An execution of the file as the order that was placed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Execution {
    /// The incoming order.
    pub(super) taker: OrderNumber,
    /// The order that the file names, if it is one of ours.
    pub(super) named: Option<OrderNumber>,
}

impl Executions {
    /// Judges an execution by the trades of its incoming order. Whether a maker is the one meant, `is_named` says.
    pub(super) fn judge(
        &mut self,
        orders: &Orders,
        execution: Execution,
        trades: &[Trade],
        is_named: impl Fn(OrderNumber) -> bool,
    ) {
        let Some(order) = orders.get(execution.taker) else { return };
        let traded = trades.iter().fold(0_u64, |sum, trade| sum.saturating_add(trade.quantity.shares()));
        let at_price = trades.iter().all(|trade| trade.price == order.price);
        if traded == order.quantity.shares() && at_price {
            self.reproduced = self.reproduced.saturating_add(1);
            if trades.iter().all(|trade| is_named(trade.maker)) {
                self.at_named_order = self.at_named_order.saturating_add(1);
            }
        }
    }
}
