//! For tests: steps through a bare book, as the stages would take them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use orderledger_domain::book::{Action, Book, NewOrder, SelfTrade};
use orderledger_domain::money::{Price, Quantity};
use orderledger_domain::terms::{OrderType, Side};

use super::step::{Ask, OrderNumber, Orders, Outcome, Step, Trade};

/// Buyers and sellers of an import are never the same.
const SELF_TRADE: SelfTrade = SelfTrade::ExpireIncoming;

/// One symbol's book and what became of an import in it.
#[derive(Default)]
pub(super) struct Trial {
    book: Book,
    pub(super) outcome: Outcome,
}

impl Trial {
    /// Takes the steps; gives the trades that they led to.
    pub(super) fn take(&mut self, orders: &Orders, steps: &[Step]) -> Vec<Trade> {
        let before = self.outcome.trades.len();
        let mut actions = Vec::new();
        for step in steps {
            let (key, order) = (u64::try_from(step.order).unwrap(), orders.get(step.order).unwrap());
            match step.ask {
                Ask::Cancel => self.book.cancel(key, &mut actions),
                Ask::Amend(total) => {
                    self.book.amend(key, (order.price.units(), total.shares()), SELF_TRADE, &mut actions).unwrap();
                }
                Ask::Place => {
                    let owner = u64::try_from(order.owner).unwrap() * 2 + u64::from(order.side == Side::Buy);
                    let new = NewOrder {
                        key,
                        owner,
                        side: order.side,
                        kind: OrderType::Limit,
                        time_in_force: order.time_in_force,
                        post_only: false,
                        price: order.price.units(),
                        quantity: order.quantity.shares(),
                        budget: 0,
                        maker_bps: 0,
                        taker_bps: 0,
                    };
                    self.book.submit(&new, SELF_TRADE, &mut actions).unwrap();
                }
            }
        }
        for action in actions {
            match action {
                Action::Trade(trade) => self.outcome.trades.push(Trade {
                    price: Price::from_units(i128::from(trade.price)).unwrap(),
                    quantity: Quantity::new(trade.quantity).unwrap(),
                    maker: number(trade.maker.key),
                    taker: number(trade.taker.key),
                }),
                Action::Canceled { key, .. } => {
                    self.outcome.canceled.insert(number(key));
                }
                _ => {}
            }
        }
        self.outcome.trades.iter().skip(before).copied().collect()
    }

    /// A side's levels, best first.
    pub(super) fn depth(&self, side: Side) -> Vec<(Price, u64)> {
        let level = |level: orderledger_domain::book::Level| {
            (Price::from_units(i128::from(level.price)).unwrap(), level.quantity)
        };
        self.book.depth(side).map(level).collect()
    }
}

fn number(key: u64) -> OrderNumber {
    usize::try_from(key).unwrap()
}

/// Where real files are, if they are anywhere; says so on stderr if not.
pub(super) fn shared_data(below: &str) -> Option<PathBuf> {
    use std::io::Write as _;
    let found = std::env::var_os("ORDERLEDGER_SHARED_DATA").map(|dir| PathBuf::from(dir).join(below));
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: ORDERLEDGER_SHARED_DATA does not name the folder of {below}");
    }
    found
}
