//! What the log tells, of all partitions together: balances, orders, fills, trades, and what became of each request.

use std::collections::BTreeMap;

use serde_json::Value;

use super::log::Of;
use super::money::{Money, Order};
use super::records::{Kind, Rec};
use super::{Audit, Findings, intake};

/// A user, and an asset, an order or a request of theirs.
pub type Who = (String, String);

/// One leg of a trade; prices and amounts in 1/10000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The trade.
    pub trade: String,
    /// The order.
    pub order: String,
    /// Buy or sell.
    pub buy: bool,
    /// Whether it came, not waited.
    pub taker: bool,
    /// Of one share.
    pub price: i128,
    /// Shares.
    pub quantity: i128,
    /// In cash.
    pub fee: i128,
    /// Shares still to trade after it.
    pub leaves: i128,
    /// Where it stands.
    pub position: String,
}

/// One line of the tape; the price in 1/10000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its name.
    pub trade: String,
    /// Its number in its book.
    pub book_seq: i128,
    /// Of one share.
    pub price: i128,
    /// Shares.
    pub quantity: i128,
    /// The side that came.
    pub taker_side: String,
    /// Where it stands.
    pub position: String,
}

/// What was asked under one id, and what intake said.
#[derive(Clone, Debug)]
pub struct Request {
    /// What was asked.
    pub event_type: String,
    /// With which payload.
    pub payload: Value,
    /// Its partition of `orders`.
    pub partition: u32,
    /// Where it stands there.
    pub offset: u64,
    /// Where the answer stands.
    pub answer_offset: u64,
    /// What the answer is.
    pub answer_type: String,
    /// The answer's payload.
    pub answer: Value,
    /// How often it was repeated.
    pub repeats: u64,
    /// How often its id was used for something else.
    pub reused: u64,
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Request { event_type, partition, offset, answer_offset, answer_type, answer, .. } = self;
        write!(
            f,
            "{event_type} stands at orders-{partition}@{offset}, answered at {answer_offset}: {answer_type} {answer}"
        )
    }
}

/// What the log tells.
#[derive(Clone, Debug, Default)]
pub struct Story {
    available: BTreeMap<Who, i128>,
    /// Every order that was accepted, by user and id.
    pub orders: BTreeMap<Who, Order>,
    /// Every order that intake rejected: where, and why.
    pub rejected: BTreeMap<Who, (String, String)>,
    /// The legs of each user's trades, in the log's order.
    pub fills: BTreeMap<String, Vec<Fill>>,
    /// The tape of each symbol.
    pub trades: BTreeMap<String, Vec<Trade>>,
    /// The requests that could be used, by account and event id.
    pub requests: BTreeMap<Who, Request>,
    /// Where intake's answers stand once more, by partition and offset of what they answer.
    pub(super) again: BTreeMap<(u32, u64), Vec<u64>>,
    /// What came in less what went out, per asset.
    moved: BTreeMap<String, i128>,
}

impl Story {
    /// Available and reserved of every user and asset where there is any.
    pub fn balances(&self) -> BTreeMap<Who, (i128, i128)> {
        let mut balances: BTreeMap<Who, (i128, i128)> = BTreeMap::new();
        for (who, units) in &self.available {
            balances.entry(who.clone()).or_default().0 += units;
        }
        for order in self.orders.values() {
            balances.entry((order.user.clone(), order.held_asset())).or_default().1 += order.held + order.extra();
        }
        balances.retain(|_, units| *units != (0, 0));
        balances
    }

    pub(super) fn add(&mut self, money: Money) {
        self.available.extend(money.available);
        self.orders.extend(money.orders);
    }

    /// A request from outside and its answer.
    pub(super) fn note_request(&mut self, rec: &Rec, answer: &Rec) {
        let Some(id) = rec.event_id() else { return };
        let who = (intake::account_of(rec).to_owned(), id.to_owned());
        let first = self.requests.get_mut(&who);
        match (answer.event_type.as_str(), first) {
            ("DuplicateIgnored", Some(first)) => first.repeats += 1,
            ("RecordRefused", Some(first)) if answer.payload().get("original").is_some() => first.reused += 1,
            ("DuplicateIgnored" | "RecordRefused", None) => {}
            (_, Some(_)) => {}
            (_, None) => {
                let request = Request {
                    event_type: rec.event_type.clone(),
                    payload: rec.payload().clone(),
                    partition: rec.of.1,
                    offset: rec.offset,
                    answer_offset: answer.offset,
                    answer_type: answer.event_type.clone(),
                    answer: answer.payload().clone(),
                    repeats: 0,
                    reused: 0,
                };
                self.requests.insert(who, request);
            }
        }
    }

    /// A record of `orders` that its stage wrote once more, or too early: a repeat of an answer says what the answer says.
    pub(super) fn note_again(&mut self, rec: &Rec) {
        if let Some(stamp) = rec.stamp.as_ref().filter(|stamp| stamp.source == rec.of) {
            self.again.entry((rec.of.1, stamp.cause_offset)).or_default().push(rec.offset);
        }
    }

    /// A stage's record of `orders`.
    pub(super) fn note(&mut self, rec: &Rec) -> Result<(), String> {
        match rec.event_type.as_str() {
            "AccountCredited" => *self.moved.entry(rec.text("asset")?).or_default() += rec.units("amount")?,
            "AccountDebited" => *self.moved.entry(rec.text("asset")?).or_default() -= rec.units("amount")?,
            "AccountAdjusted" => *self.moved.entry(rec.text("asset")?).or_default() += rec.given()?,
            "OrderRejected" if rec.comes_from("orders") => {
                let who = (rec.text("userId")?, rec.text("orderId")?);
                self.rejected.insert(who, (rec.at(), rec.text("reason")?));
            }
            "OrderFilled" => {
                let fill = Fill {
                    trade: rec.text("tradeId")?,
                    order: rec.text("orderId")?,
                    buy: rec.text("side")? == "buy",
                    taker: rec.text("liquidity")? == "taker",
                    price: rec.units("price")?,
                    quantity: rec.whole("quantity")?,
                    fee: rec.units("fee")?,
                    leaves: rec.whole("leavesQuantity")?,
                    position: rec.at(),
                };
                self.fills.entry(rec.text("userId")?).or_default().push(fill);
            }
            _ => {}
        }
        Ok(())
    }

    /// At rest no amend is undecided, closed orders hold nothing and live ones what they need.
    pub(super) fn check_at_rest(&self, findings: &mut Findings) {
        for order in self.orders.values() {
            if !order.undecided.is_empty() {
                findings.add(format!("an amend was never decided: {order:?}"));
            }
            let due = if order.open { order.need(order.price, order.leaves) } else { 0 };
            if order.open && !order.rests {
                findings.add(format!("an order that can't rest does: {order:?}"));
            } else if order.held != due {
                findings.add(format!("it holds {}, not {due}: {order:?}", order.held));
            }
        }
    }

    /// Nothing comes from nowhere: what users have and paid in fees is what came in.
    pub(super) fn check_sums(&self, findings: &mut Findings) {
        let mut sums: BTreeMap<String, i128> = self.moved.iter().map(|(asset, sum)| (asset.clone(), -sum)).collect();
        for ((_, asset), (available, reserved)) in self.balances() {
            *sums.entry(asset).or_default() += available + reserved;
        }
        *sums.entry("USD".to_owned()).or_default() += self.orders.values().map(|order| order.charged).sum::<i128>();
        sums.retain(|_, sum| *sum != 0);
        if !sums.is_empty() {
            findings.add(format!("not zero-sum: {sums:?}"));
        }
    }
}

/// The tapes: numbered without a hole, in time, and each trade with its two legs.
pub(super) fn check_trades(all: &BTreeMap<Of, Vec<Rec>>, audit: &mut Audit) {
    let Audit { findings, story, .. } = audit;
    let mut legs: BTreeMap<String, Vec<(bool, i128, i128)>> = BTreeMap::new();
    for fill in story.fills.values().flatten() {
        legs.entry(fill.trade.clone()).or_default().push((fill.buy, fill.price, fill.quantity));
    }
    let mut times: BTreeMap<String, i64> = BTreeMap::new();
    let tapes = all.iter().filter(|((topic, _), _)| *topic == "trades").flat_map(|(_, records)| records);
    for rec in tapes.filter(|rec| rec.kind == Kind::Next && rec.event_type != "StreamKeyTaken") {
        findings.check(note_trade(rec, &mut legs, &mut times, story));
    }
    for (trade, legs) in legs {
        findings.add(format!("legs of a trade that the tape has not: {trade} {legs:?}"));
    }
}

fn note_trade(
    rec: &Rec,
    legs: &mut BTreeMap<String, Vec<(bool, i128, i128)>>,
    times: &mut BTreeMap<String, i64>,
    story: &mut Story,
) -> Result<(), String> {
    let (symbol, trade) = (rec.text("symbol")?, rec.text("tradeId")?);
    let (book_seq, price, quantity) = (rec.whole("bookSeq")?, rec.units("price")?, rec.whole("quantity")?);
    let taker_side = rec.text("takerSide")?;
    let tape = story.trades.entry(symbol.clone()).or_default();
    let due = tape.last().map_or(1, |last| last.book_seq + 1);
    tape.push(Trade { trade: trade.clone(), book_seq, price, quantity, taker_side, position: rec.at() });
    if book_seq != due || trade != format!("{symbol}-{book_seq}") {
        return Err(format!("trade {due} of the book was due: {rec}"));
    }
    let time = rec.time_ms().ok_or_else(|| format!("no time: {rec}"))?;
    if times.insert(symbol, time).is_some_and(|before| before > time) {
        return Err(format!("before the trade before it: {rec}"));
    }
    let mut both = legs.remove(&trade).unwrap_or_default();
    both.sort_unstable();
    if both != [(false, price, quantity), (true, price, quantity)] {
        return Err(format!("its legs are {both:?}: {rec}"));
    }
    Ok(())
}
