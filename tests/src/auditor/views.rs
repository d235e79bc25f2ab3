//! What a server's views show at rest, against the story of the log.

use std::collections::BTreeMap;

use serde_json::Value;

use super::records::units_of;
use super::story::{Fill, Story, Trade};
use super::{Audit, Findings};

/// Rows as HTTP answered them, whole lists.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Each user's balances.
    pub balances: BTreeMap<String, Vec<Value>>,
    /// Each user's orders.
    pub orders: BTreeMap<String, Vec<Value>>,
    /// Each user's fills, oldest first.
    pub fills: BTreeMap<String, Vec<Value>>,
    /// Each symbol's trades, oldest first.
    pub trades: BTreeMap<String, Vec<Value>>,
}

/// Holds what is shown against what the log tells.
pub fn check(shown: &Shown, audit: &mut Audit) {
    let Audit { findings, story, seen } = audit;
    check_balances(shown, story, findings);
    for (user, rows) in &shown.orders {
        check_orders(user, rows, story, findings);
    }
    for (user, rows) in &shown.fills {
        let told = story.fills.get(user).map_or(&[][..], Vec::as_slice);
        compare(&format!("fills of {user}"), rows, told.iter().map(fill_row).collect(), fill_shown, findings);
    }
    for (symbol, rows) in &shown.trades {
        let told = story.trades.get(symbol).map_or(&[][..], Vec::as_slice);
        compare(&format!("trades of {symbol}"), rows, told.iter().map(trade_row).collect(), trade_shown, findings);
    }
    let rows: usize = [&shown.balances, &shown.orders, &shown.fills, &shown.trades]
        .iter()
        .flat_map(|lists| lists.values().map(Vec::len))
        .sum();
    *seen.entry("rows checked".to_owned()).or_default() += rows as u64;
}

fn check_balances(shown: &Shown, story: &Story, findings: &mut Findings) {
    let mut told: BTreeMap<String, BTreeMap<String, (i128, i128)>> = BTreeMap::new();
    for ((user, asset), units) in story.balances() {
        told.entry(user).or_default().insert(asset, units);
    }
    for (user, rows) in &shown.balances {
        let mut there = BTreeMap::new();
        for row in rows {
            let units = |field: &str| row.get(field).and_then(units_of);
            let asset = row.get("asset").and_then(Value::as_str).unwrap_or_default().to_owned();
            match (units("available"), units("reserved"), units("total")) {
                (Some(available), Some(reserved), Some(total)) if total == available + reserved => {
                    if total != 0 {
                        there.insert(asset, (available, reserved));
                    }
                }
                _ => findings.add(format!("no balance: {user} {row}")),
            }
        }
        let due = told.remove(user).unwrap_or_default();
        if there != due {
            findings.add(format!("balances of {user}: shown {there:?}, told {due:?}"));
        }
    }
    for (user, due) in told {
        findings.add(format!("nobody looked at the balances of {user}: {due:?}"));
    }
}

fn check_orders(user: &str, rows: &[Value], story: &Story, findings: &mut Findings) {
    let mut shown = BTreeMap::new();
    for row in rows {
        let text = |field: &str| row.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let whole = |field: &str| row.get(field).and_then(Value::as_i64).map(i128::from);
        let figures = (whole("quantity"), whole("cumQuantity"), whole("leavesQuantity"));
        let row = (text("status"), figures, row.get("fees").and_then(units_of), row.get("price").and_then(units_of));
        if shown.insert(text("orderId"), row).is_some() {
            findings.add(format!("{user} is shown the same order twice: {}", text("orderId")));
        }
    }
    let orders = story.orders.iter().filter(|((of, _), _)| of == user);
    for ((_, id), order) in orders {
        let price = (!order.market).then_some(order.price);
        let figures = (Some(order.quantity), Some(order.cum), Some(order.leaves));
        let due = (order.status().to_owned(), figures, Some(order.charged), price);
        let there = shown.remove(id);
        if there.as_ref() != Some(&due) {
            findings.add(format!("order {id} of {user}: shown {there:?}, told {due:?}"));
        }
    }
    for (of, id) in story.rejected.keys().filter(|(of, _)| of == user) {
        if shown.remove(id).is_none_or(|(status, ..)| status != "rejected") {
            findings.add(format!("the rejected order {id} of {of} is not shown as such"));
        }
    }
    for id in shown.keys() {
        findings.add(format!("order {id} of {user} is shown and not told"));
    }
}

fn compare(what: &str, rows: &[Value], due: Vec<String>, shown: impl Fn(&Value) -> String, findings: &mut Findings) {
    let shown: Vec<String> = rows.iter().map(shown).collect();
    if shown != due {
        let at = shown.iter().zip(&due).take_while(|(shown, due)| shown == due).count();
        findings.add(format!(
            "{what}: {} rows shown, {} told, first difference at {at}: {:?}, {:?}",
            shown.len(),
            due.len(),
            shown.get(at),
            due.get(at)
        ));
    }
}

fn fill_row(fill: &Fill) -> String {
    let Fill { trade, order, buy, taker, price, quantity, fee, leaves, position } = fill;
    let side = if *buy { "buy" } else { "sell" };
    let liquidity = if *taker { "taker" } else { "maker" };
    format!("{trade} {order} {side} {liquidity} {price} {quantity} {fee} {leaves} {position}")
}

fn fill_shown(row: &Value) -> String {
    words(row, &["tradeId", "orderId", "side", "liquidity", "price:", "quantity", "fee:", "leavesQuantity", "position"])
}

fn trade_row(trade: &Trade) -> String {
    let Trade { trade, book_seq, price, quantity, taker_side, position } = trade;
    format!("{trade} {book_seq} {price} {quantity} {taker_side} {position}")
}

fn trade_shown(row: &Value) -> String {
    words(row, &["tradeId", "bookSeq", "price:", "quantity", "takerSide", "position"])
}

/// The fields of a row; a decimal, marked by a colon, in units.
fn words(row: &Value, fields: &[&str]) -> String {
    let word = |field: &&str| match field.strip_suffix(':') {
        Some(decimal) => row.get(decimal).and_then(units_of).map(|units| units.to_string()),
        None => row.get(*field).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    };
    fields.iter().map(|field| word(field).unwrap_or_default()).collect::<Vec<_>>().join(" ")
}
