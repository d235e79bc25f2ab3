//! What can happen, at random.

use orderledger_domain::money::{BasisPoints, Price, Quantity};
use orderledger_domain::rules::Rules;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// One thing that happens; users, orders and queues are picked when it does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Cash (in units) or shares come in.
    Deposit { user: usize, cash: bool, amount: u64 },
    /// Cash (in units) or shares go out, if they are there.
    Withdraw { user: usize, cash: bool, amount: u64 },
    /// Rates of orders accepted from here on.
    Fees { maker: BasisPoints, taker: BasisPoints },
    /// The stages' rules, once the book hears of it.
    Rules(Rules),
    /// A new order.
    Create(NewTerms),
    /// A cancel of one of the last orders.
    Cancel { order: Index },
    /// An amend of one of the last orders: to a price, to a total, or to some shares fewer.
    Amend { order: Index, price: Option<Price>, total: Option<Quantity>, fewer: Option<u64> },
    /// Day orders expire, once the book hears of it.
    CloseSession,
    /// The book takes the next command.
    Match,
    /// The next thing that the book did is heard.
    Hear,
}

/// What an order asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewTerms {
    pub(crate) user: usize,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: bool,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    /// A market buy's `maxCost` in units.
    pub(crate) budget: Option<u64>,
}

pub(crate) const USERS: usize = 5;

/// Prices of a few units, where rounding up a fee is felt most.
fn price() -> impl Strategy<Value = Price> {
    (1..40_i128, select(vec![1, 3, 7])).prop_map(|(base, times)| Price::from_units(base * times).unwrap())
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (1..40_u64).prop_map(|shares| Quantity::new(shares).unwrap())
}

fn kind() -> impl Strategy<Value = (OrderType, TimeInForce, bool)> {
    use OrderType::{Limit, Market};
    use TimeInForce::{Day, Fok, Gtc, Ioc};
    prop_oneof![
        6 => Just((Limit, Gtc, false)),
        1 => Just((Limit, Day, false)),
        1 => Just((Limit, Gtc, true)),
        1 => Just((Limit, Ioc, false)),
        1 => Just((Limit, Fok, false)),
        1 => Just((Market, Ioc, false)),
        1 => Just((Market, Fok, false)),
    ]
}

fn create() -> impl Strategy<Value = Step> {
    let side = select(vec![Side::Buy, Side::Sell]);
    let parts = (0..USERS, side, kind(), price(), quantity(), option::of(1..3_000_u64));
    parts.prop_map(|(user, side, (order_type, time_in_force, post_only), price, quantity, budget)| {
        Step::Create(NewTerms { user, side, order_type, time_in_force, post_only, price, quantity, budget })
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let bps = || select(vec![0, 1, 7, 10, 25, 999, 1000]).prop_map(|rate| BasisPoints::new(rate).unwrap());
    let move_in = (0..USERS, any::<bool>(), 1..60_000_u64);
    let move_out = (0..USERS, any::<bool>(), 1..3_000_u64);
    let amend = (any::<Index>(), option::of(price()), option::of(quantity()), option::of(0..5_u64));
    prop_oneof![
        8 => move_in.prop_map(|(user, cash, amount)| Step::Deposit { user, cash, amount }),
        2 => move_out.prop_map(|(user, cash, amount)| Step::Withdraw { user, cash, amount }),
        1 => (bps(), bps()).prop_map(|(maker, taker)| Step::Fees { maker, taker }),
        1 => select(vec![Rules::V1, Rules::V2, Rules::V2]).prop_map(Step::Rules),
        18 => create(),
        4 => any::<Index>().prop_map(|order| Step::Cancel { order }),
        10 => amend.prop_map(|(order, price, total, fewer)| Step::Amend { order, price, total, fewer }),
        1 => Just(Step::CloseSession),
        28 => Just(Step::Match),
        40 => Just(Step::Hear),
    ]
}
