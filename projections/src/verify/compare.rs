//! What was computed beside the rows of the views.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_store::Error;

use super::money::{Balance, Money, Order, decimal};
use super::report::{Check, Report};
use super::rows::{MarketRow, OrderFigures, ViewRows};
use super::tape::{Tape, TapeRow};

/// Every row of settlement's accounts and orders.
pub(super) fn settlement(money: &Money, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
    balances(money, rows, report)?;
    let mut system: BTreeMap<_, i128> =
        money.system.iter().filter(|(_, sum)| **sum != 0).map(|(k, v)| (*k, *v)).collect();
    for row in rows.system_accounts() {
        let row = row?;
        let expected = system.remove(&(row.partition, row.account, row.asset)).unwrap_or_default();
        let at = format!("{} of {} in partition {}", row.account.as_str(), row.asset, row.partition);
        report.compare(Check::SystemAccounts, at, &expected, &row.amount.units(), decimal);
    }
    for ((partition, account, asset), sum) in system {
        let at = format!("{} of {asset} in partition {partition}", account.as_str());
        missing(report, Check::SystemAccounts, at, decimal(&sum));
    }
    orders(money, rows, report)?;
    postings(money, rows, report)
}

fn balances(money: &Money, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    let text = |balance: &Balance| {
        format!("available {}, reserved {}", decimal(&balance.available), decimal(&balance.reserved))
    };
    for row in rows.balances() {
        let row = row?;
        let (available, reserved) = (row.available.units(), row.reserved.units());
        let at = format!("{} of {}", row.asset, row.user);
        let expected = money.balances.get(&row.user).and_then(|assets| assets.get(&row.asset)).copied();
        report.compare(Check::Balances, at, &expected.unwrap_or_default(), &Balance { available, reserved }, text);
        seen.insert((row.user, row.asset));
    }
    for (user, assets) in &money.balances {
        for (asset, balance) in assets.iter().filter(|(_, balance)| **balance != Balance::default()) {
            if !seen.contains(&(user.clone(), *asset)) {
                missing(report, Check::Balances, format!("{asset} of {user}"), text(balance));
            }
        }
    }
    Ok(())
}

fn figures(order: &Order) -> OrderFigures {
    let shares = |quantity: i128| u64::try_from(quantity).unwrap_or(u64::MAX);
    OrderFigures {
        created: order.created,
        status: order.status,
        quantity: shares(order.now.quantity),
        cum_quantity: shares(order.cum),
        leaves_quantity: shares(order.now.leaves),
        price: order.priced.then_some(i64::try_from(order.now.price).unwrap_or(i64::MAX)),
        held: Amount::from_units(order.held),
        charged: Amount::from_units(order.charged),
        notional: Amount::from_units(order.notional()),
    }
}

fn orders(money: &Money, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
    let mut seen: BTreeMap<UserId, BTreeSet<OrderId>> = BTreeMap::new();
    for row in rows.orders() {
        let row = row?;
        let expected = money.order(&row.user, &row.order_id).map(figures);
        let at = format!("order {} of {}", row.order_id, row.user);
        report.compare(Check::Orders, at, &expected, &Some(row.figures), optional);
        seen.entry(row.user).or_default().insert(row.order_id);
    }
    for (user, order_id, order) in money.all_orders() {
        if !seen.get(user).is_some_and(|orders| orders.contains(order_id)) {
            missing(report, Check::Orders, format!("order {order_id} of {user}"), format!("{:?}", figures(order)));
        }
    }
    Ok(())
}

/// A user's postings sum up to the balance, and each says the sums after it.
fn postings(money: &Money, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
    let mut sums: BTreeMap<UserId, BTreeMap<_, Balance>> = BTreeMap::new();
    for row in rows.postings() {
        let row = row?;
        let sum = sums.entry(row.user.clone()).or_default().entry(row.asset).or_default();
        match row.account {
            LedgerAccount::Available => sum.available += row.change.units(),
            _ => sum.reserved += row.change.units(),
        }
        let (expected, found) = ((sum.available, sum.reserved), (row.after.0.units(), row.after.1.units()));
        let at = || format!("a posting of {} {} to {}", row.change, row.asset, row.user);
        report.compare(Check::Postings, at(), &expected, &found, |(available, reserved)| {
            format!("available {}, reserved {} after it", decimal(available), decimal(reserved))
        });
    }
    for (user, assets) in &money.balances {
        for (asset, balance) in assets {
            let found = sums.get(user).and_then(|assets| assets.get(asset)).copied().unwrap_or_default();
            let at = format!("the sum of the postings of {asset} to {user}");
            report.compare(Check::Postings, at, balance, &found, |balance| format!("{balance:?}"));
        }
    }
    Ok(())
}

/// Every row of the market view.
pub(super) fn market(tape: &Tape, rows: &dyn ViewRows, report: &mut Report) -> Result<(), Error> {
    let mut read: BTreeMap<_, usize> = BTreeMap::new();
    for row in rows.tape() {
        let (symbol, row) = row?;
        let before = read.entry(symbol).or_default();
        let expected = tape.0.get(&symbol).and_then(|trades| trades.get(*before));
        *before += 1;
        report.compare(Check::Tape, format!("trade {symbol}-{}", row.book_seq), &expected, &Some(&row), optional);
    }
    let mut candles = BTreeMap::new();
    let mut markets = BTreeMap::new();
    for (symbol, trades) in &tape.0 {
        let read = read.get(symbol).copied().unwrap_or_default();
        for trade in trades.iter().skip(read) {
            missing(report, Check::Tape, format!("trade {symbol}-{}", trade.book_seq), format!("{trade:?}"));
        }
        candles.append(&mut Tape::candles(*symbol, trades));
        markets.extend(figures_of(trades).map(|row| (*symbol, row)));
    }
    for row in rows.candles() {
        let ((symbol, interval, opened), row) = row?;
        let expected = candles.remove(&(symbol, interval, opened));
        let at = format!("the candle of {symbol} over {} s from {opened}", interval / 1_000_000);
        report.compare(Check::Candles, at, &expected, &Some(row), optional);
    }
    for ((symbol, interval, opened), row) in candles {
        let at = format!("the candle of {symbol} over {} s from {opened}", interval / 1_000_000);
        missing(report, Check::Candles, at, format!("{row:?}"));
    }
    for row in rows.markets() {
        let (symbol, row) = row?;
        report.compare(Check::Markets, symbol, &markets.remove(&symbol), &Some(row), optional);
    }
    for (symbol, row) in markets {
        missing(report, Check::Markets, symbol.to_string(), format!("{row:?}"));
    }
    Ok(())
}

fn figures_of(trades: &[TapeRow]) -> Option<MarketRow> {
    let (first, last) = (trades.first()?, trades.last()?);
    Some(MarketRow {
        trade_count: u64::try_from(trades.len()).unwrap_or(u64::MAX),
        volume: trades.iter().map(|trade| u128::from(trade.quantity)).sum(),
        last: last.price,
        last_time: last.time,
        first: first.price,
    })
}

pub(super) fn missing(report: &mut Report, check: Check, at: String, expected: String) {
    report.count(check);
    report.differs(check, at, expected, "no such row");
}

fn optional<T: Debug>(row: &Option<T>) -> String {
    row.as_ref().map_or("no such row".to_owned(), |row| format!("{row:?}"))
}
