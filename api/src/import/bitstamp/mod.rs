//! Bitstamp's order feed: lines `<ms> <event> <json>` of every order's creation, change and deletion, and of trades.
//!
//! One share is 0.00000001 BTC and a price is the file's USD price divided by 100, so that all stays exact: a price of
//! 236.47 is 2.3647, which is 23647 units. The exchange's own trades are only compared with, never placed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use orderledger_domain::ids::{OrderId, Symbol};
use orderledger_domain::money::{Price, Quantity};
use orderledger_domain::terms::{Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::accounts::Funding;
use super::decimal;
use super::lines::{self, ImportError};
use super::step::{Ask, Dealer, Order, OrderNumber, Orders, Outcome, Step};
use super::subsequence::longest_common;

/// What the file's amounts are shares of.
pub const SYMBOL: &str = "BTC";
/// Decimals of an amount: one share is so small.
const AMOUNT_DECIMALS: i32 = 8;
/// Decimals of a price in the file; divided by 100 it has the ledger's four.
const PRICE_DECIMALS: i32 = 2;

/// The file as steps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every order.
    pub orders: Orders,
    /// What to ask of the ledger, in this order.
    pub steps: Vec<Step>,
    /// What the accounts need before.
    pub funding: Funding,
    deletes: Vec<Delete>,
    /// The exchange's own trades, in the file's order.
    ticks: Vec<(Price, Quantity)>,
}

/// The file's deletion of a placed order with something left of it.
#[derive(Clone, Copy, Debug)]
struct Delete {
    order: OrderNumber,
    amount: Quantity,
}

/// What the ledger made of the file, beside what the exchange made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Limit orders placed, those from before the file included.
    pub orders: u64,
    /// Remaining amounts.
    pub deletes: Deletes,
    /// Trades.
    pub trades: Trades,
}

/// Deletes of orders still live in our book, with an amount above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletes {
    /// How many.
    pub compared: u64,
    /// Of how many our remaining quantity is the file's amount.
    pub equal: u64,
}

/// Our trades and the exchange's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trades {
    /// Ours.
    pub engine: u64,
    /// The exchange's.
    pub exchange: u64,
    /// The longest common subsequence of (price, quantity).
    pub equal_in_order: u64,
}

#[derive(Deserialize)]
struct OrderJson<'a> {
    id: u64,
    order_type: u8,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    amount: &'a RawValue,
}

#[derive(Deserialize)]
struct TradeJson<'a> {
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    amount: &'a RawValue,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Created,
    Changed,
    Deleted,
}

/// An event of an order, read.
struct Message {
    line: u64,
    time: Timestamp,
    kind: Kind,
    id: u64,
    side: Side,
    price: Price,
    amount: Quantity,
}

impl Plan {
    /// Reads a file for so many accounts of each side.
    pub fn read(text: impl BufRead, symbol: Symbol, accounts_per_side: usize) -> Result<Plan, ImportError> {
        let (mut messages, mut ticks) = (Vec::new(), Vec::new());
        lines::for_each(text, |line, text| {
            let mut fields = text.splitn(3, ' ');
            let (Some(ms), Some(event), Some(json)) = (fields.next(), fields.next(), fields.next()) else {
                return Err(ImportError::line(line, "is not `<ms> <event> <json>`; correct or remove it"));
            };
            let kind = match event {
                "order_created" => Kind::Created,
                "order_changed" => Kind::Changed,
                "order_deleted" => Kind::Deleted,
                "order_book" => return Ok(()),
                "trade" => {
                    ticks.push(read_tick(line, json)?);
                    return Ok(());
                }
                other => {
                    let known = "order_created, order_changed, order_deleted, order_book and trade";
                    return Err(ImportError::line(
                        line,
                        format!("event {other:.64}: only {known} are known; remove it"),
                    ));
                }
            };
            let ms = ms.parse::<i64>();
            let ms = ms.map_err(|_| ImportError::line(line, "must begin with milliseconds since 1970; correct it"))?;
            messages.push(read_message(line, Timestamp::from_millis(ms), kind, json)?);
            Ok(())
        })?;
        Planning::new(symbol, accounts_per_side).plan(&messages, ticks)
    }

    /// Compares what the ledger did with the file.
    pub fn report(&self, outcome: &Outcome) -> Report {
        let mut traded = vec![0_u64; self.orders.len()];
        for trade in &outcome.trades {
            for order in [trade.maker, trade.taker] {
                if let Some(traded) = traded.get_mut(order) {
                    *traded = traded.saturating_add(trade.quantity.shares());
                }
            }
        }
        let live = self.deletes.iter().filter(|delete| outcome.canceled.contains(&delete.order));
        let equal = |delete: &&Delete| {
            let quantity = self.orders.get(delete.order).map_or(0, |order| order.quantity.shares());
            let traded = traded.get(delete.order).copied().unwrap_or(0);
            quantity.saturating_sub(traded) == delete.amount.shares()
        };
        let ours: Vec<(Price, Quantity)> = outcome.trades.iter().map(|trade| (trade.price, trade.quantity)).collect();
        Report {
            orders: count(self.orders.len()),
            deletes: Deletes { compared: count(live.clone().count()), equal: count(live.filter(equal).count()) },
            trades: Trades {
                engine: count(ours.len()),
                exchange: count(self.ticks.len()),
                equal_in_order: count(longest_common(&ours, &self.ticks)),
            },
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What is planned so far.
struct Planning {
    plan: Plan,
    dealer: Dealer,
    /// Which ids were placed, as which order.
    placed: BTreeMap<u64, OrderNumber>,
    /// Which were deleted: the feed has some deletions twice, and only the first finds the order live.
    deleted: BTreeSet<u64>,
}

impl Planning {
    fn new(symbol: Symbol, accounts_per_side: usize) -> Planning {
        let plan = Plan {
            orders: Orders::default(),
            steps: Vec::new(),
            funding: Funding::new(symbol, accounts_per_side),
            deletes: Vec::new(),
            ticks: Vec::new(),
        };
        Planning { plan, dealer: Dealer::new(accounts_per_side), placed: BTreeMap::new(), deleted: BTreeSet::new() }
    }

    fn plan(mut self, messages: &[Message], ticks: Vec<(Price, Quantity)>) -> Result<Plan, ImportError> {
        let created = messages.iter().filter(|message| message.kind == Kind::Created);
        let created: BTreeSet<u64> = created.map(|message| message.id).collect();
        let mut before: BTreeMap<u64, &Message> = BTreeMap::new();
        for message in messages.iter().filter(|message| !created.contains(&message.id)) {
            before.entry(message.id).or_insert(message);
        }
        let start = messages.first().map_or(Timestamp::default(), |message| message.time);
        for message in before.into_values() {
            self.place(message, start)?;
        }
        for message in messages {
            match message.kind {
                Kind::Created => self.place(message, message.time)?,
                Kind::Deleted => self.delete(message),
                Kind::Changed => {}
            }
        }
        self.plan.ticks = ticks;
        Ok(self.plan)
    }

    /// An order that begins with nothing can't be placed: it was filled before.
    fn place(&mut self, message: &Message, time: Timestamp) -> Result<(), ImportError> {
        if message.amount.is_zero() {
            return Ok(());
        }
        let id = OrderId::new(&message.id.to_string());
        let order = Order {
            id: id.map_err(|error| ImportError::line(message.line, format!("the id {error}")))?,
            side: message.side,
            owner: self.dealer.next(message.side),
            price: message.price,
            quantity: message.amount,
            time_in_force: TimeInForce::Gtc,
        };
        self.plan.funding.add(&order);
        let order = self.plan.orders.push(order);
        if self.placed.insert(message.id, order).is_some() {
            let what = format!("order {} is created twice; is it the feed of one exchange, once?", message.id);
            return Err(ImportError::line(message.line, what));
        }
        self.plan.steps.push(Step { time, order, ask: Ask::Place });
        Ok(())
    }

    fn delete(&mut self, message: &Message) {
        // Received before its creation: nothing to cancel yet.
        let Some(&order) = self.placed.get(&message.id) else { return };
        self.plan.steps.push(Step { time: message.time, order, ask: Ask::Cancel });
        if self.deleted.insert(message.id) && !message.amount.is_zero() {
            self.plan.deletes.push(Delete { order, amount: message.amount });
        }
    }
}

fn read_message(line: u64, time: Timestamp, kind: Kind, json: &str) -> Result<Message, ImportError> {
    let order: OrderJson = parse(line, json)?;
    let side = match order.order_type {
        0 => Side::Buy,
        1 => Side::Sell,
        other => {
            return Err(ImportError::line(
                line,
                format!("order_type {other} is neither 0 (bid) nor 1 (ask); correct it"),
            ));
        }
    };
    let price = price_of(line, order.price, true)?;
    let amount = amount_of(line, order.amount, true)?;
    Ok(Message { line, time, kind, id: order.id, side, price, amount })
}

/// The exchange prints ticks from binary floating point, 1.7885566900000001: what is too small to count is rounded off.
fn read_tick(line: u64, json: &str) -> Result<(Price, Quantity), ImportError> {
    let tick: TradeJson = parse(line, json)?;
    Ok((price_of(line, tick.price, false)?, amount_of(line, tick.amount, false)?))
}

fn parse<'a, T: Deserialize<'a>>(line: u64, json: &'a str) -> Result<T, ImportError> {
    serde_json::from_str(json).map_err(|error| ImportError::line(line, format!("{error}; correct or remove the line")))
}

fn price_of(line: u64, json: &RawValue, exact: bool) -> Result<Price, ImportError> {
    let units = units_of(line, "price", json, PRICE_DECIMALS, exact)?;
    let price = i128::try_from(units).ok().and_then(|units| Price::from_units(units).ok());
    price.ok_or_else(|| ImportError::line(line, "price is not between 0.01 and 100000000 USD; remove the line"))
}

fn amount_of(line: u64, json: &RawValue, exact: bool) -> Result<Quantity, ImportError> {
    let units = units_of(line, "amount", json, AMOUNT_DECIMALS, exact)?;
    let amount = u64::try_from(units).ok().and_then(|shares| Quantity::new(shares).ok());
    amount.ok_or_else(|| {
        ImportError::line(line, "amount is more than 1000 BTC, the most one order may have; remove the line")
    })
}

/// A number, or a string that holds one.
fn units_of(line: u64, field: &str, json: &RawValue, decimals: i32, exact: bool) -> Result<u128, ImportError> {
    let text = json.get();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let bad = |what: String| ImportError::line(line, format!("{field} {text:.40} {what}; correct or remove the line"));
    let scaled = decimal::scaled(text, decimals).map_err(|error| bad(error.to_string()))?;
    if exact && !scaled.exact {
        return Err(bad(format!("has more than {decimals} decimals")));
    }
    Ok(scaled.units)
}

#[cfg(test)]
mod tests;
