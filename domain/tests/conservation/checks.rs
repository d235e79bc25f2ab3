//! What must hold, in formulas of its own: none of the figures below come from the rules under test.

use std::collections::BTreeMap;

use orderledger_domain::account::{LedgerAccount, PostingReason, Postings};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::order::Order;
use orderledger_domain::terms::{OrderType, Side};

use crate::exchange::{Exchange, symbol};

fn ceil_div(of: i128, by: i128) -> i128 {
    of.div_euclid(by) + i128::from(of.rem_euclid(by) != 0)
}

/// price·quantity + ⌈rate·price·quantity / 10000⌉.
pub(crate) fn need_of_new_buy(price: Price, quantity: Quantity, rate: BasisPoints) -> Amount {
    let notional = i128::from(price.units()) * i128::from(quantity.shares());
    Amount::from_units(notional + ceil_div(i128::from(rate.rate()) * notional, 10_000))
}

/// price·leaves + ⌈(basis + maxBps·price·leaves) / 10000⌉ − charged for a buy, its shares for a sell.
fn need(order: &Order) -> i128 {
    let leaves = i128::from(order.leaves_quantity.shares());
    if order.side == Side::Sell {
        return leaves * 10_000;
    }
    let notional = i128::from(order.price.unwrap().units()) * leaves;
    let (maker, taker) = (i128::from(order.maker_bps.rate()), i128::from(order.taker_bps.rate()));
    let basis = taker * order.taker_notional.units() + maker * order.maker_notional.units();
    notional + ceil_div(basis + maker.max(taker) * notional, 10_000) - order.charged.units()
}

/// Each event's postings sum to zero per asset, and a release gives, never takes.
pub(crate) fn postings(postings: &Postings) {
    let mut sums = BTreeMap::<Asset, i128>::new();
    for posting in postings.iter() {
        *sums.entry(posting.asset).or_default() += posting.change.units();
        if posting.reason == PostingReason::Release && posting.account == LedgerAccount::Available {
            assert!(posting.change.units() > 0, "a negative release: {posting:?}");
        }
    }
    assert!(sums.values().all(|sum| *sum == 0), "not balanced: {postings:?}");
}

/// At every step: nothing below zero, all accounts together nothing, reserved is what open orders and amends hold.
pub(crate) fn at_every_step(exchange: &Exchange) {
    let mut sums = BTreeMap::<Asset, i128>::new();
    let mut reserved = BTreeMap::<(UserId, Asset), i128>::new();
    for (user, account) in &exchange.accounts {
        for (asset, balance) in account.iter() {
            let (available, held) = (balance.available.units(), balance.reserved.units());
            assert!(available >= 0 && held >= 0, "{user} {asset} {balance:?}");
            *sums.entry(asset).or_default() += available + held;
            reserved.insert((user.clone(), asset), held);
        }
    }
    for (account, asset, amount) in exchange.system.iter() {
        *sums.entry(asset).or_default() += amount.units();
        let between_legs = account == LedgerAccount::Clearing && !exchange.all_heard();
        assert!(account != LedgerAccount::Clearing || amount.is_zero() || between_legs, "clearing keeps {amount}");
        assert!(account != LedgerAccount::Fees || !amount.is_negative(), "fees are {amount}");
    }
    assert!(sums.values().all(|sum| *sum == 0), "not zero-sum: {sums:?}");
    for order in exchange.orders.values() {
        let extras: i128 = order.undecided.iter().map(|amend| amend.extra.units()).sum();
        let entry = reserved.entry((order.user_id.clone(), order.held_asset())).or_default();
        *entry -= order.held.units() + extras;
        assert!(order.status.is_open() || order.held.is_zero(), "a closed order holds: {order:?}");
        checks_of_order(order);
    }
    assert!(reserved.values().all(|rest| *rest == 0), "reserved for nobody: {reserved:?}");
}

fn checks_of_order(order: &Order) {
    let (maker, taker) = (i128::from(order.maker_bps.rate()), i128::from(order.taker_bps.rate()));
    let basis = taker * order.taker_notional.units() + maker * order.maker_notional.units();
    assert_eq!(order.charged.units(), ceil_div(basis, 10_000), "the fee is not that of the sum: {order:?}");
    if order.status.is_open() {
        assert_eq!(order.cum_quantity.plus(order.leaves_quantity), order.quantity, "{order:?}");
        if order.order_type == OrderType::Limit {
            assert_eq!(order.held.units(), need(order), "held is not the need: {order:?}");
        }
    } else {
        assert!(order.leaves_quantity.is_zero(), "{order:?}");
    }
}

/// Once nothing is on its way: every amend is answered, and exactly what rests in the book is open, as it rests there.
pub(crate) fn at_rest(exchange: &Exchange) {
    at_every_step(exchange);
    for (key, order) in &exchange.orders {
        assert!(order.undecided.is_empty(), "an amend was never answered: {order:?}");
        let rests = exchange.book.get(*key);
        assert_eq!(order.status.is_open(), rests.is_some(), "{order:?}");
        if let Some(rests) = rests {
            assert_eq!((rests.quantity, rests.cum), (order.quantity.shares(), order.cum_quantity.shares()));
            assert_eq!(Some(rests.price), order.price.map(Price::units));
        }
    }
    let shares: i128 =
        exchange.accounts.values().map(|account| account.balance(symbol().asset()).total().units()).sum();
    assert!(shares % 10_000 == 0, "shares are whole: {shares}");
}
