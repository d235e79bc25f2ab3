//! What intake must answer to each request, decided once more.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Keys;
use super::money::{Money, Order, Terms, ceil_div, order_of};
use super::murmur2::partition_of;
use super::records::Rec;
use super::story::Who;

const OUTSIDE: [&str; 10] = [
    "DepositMade",
    "WithdrawalRequested",
    "OrderCreated",
    "OrderCancelRequested",
    "OrderAmendRequested",
    "FeeScheduleRequested",
    "RulesVersionRequested",
    "StreamKeyRequested",
    "SessionCloseRequested",
    "AdjustmentRequested",
];
/// Versions of the rules that the program knows.
const RULES_VERSIONS: std::ops::RangeInclusive<i128> = 1..=4;
/// In 1/10000.
const MOVED_MAX: i128 = 1_000_000_000_000_000_000;
/// In 1/10000.
const NOTIONAL_MAX: i128 = 10_000_000_000_000_000;
/// How far ahead of its append time an envelope may be.
const FUTURE_MS: i64 = 300_000;

/// What was said under an id first, and where.
struct First {
    offset: u64,
    event_type: String,
    payload: Value,
}

/// The answer due.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    event_type: &'static str,
    reason: Option<&'static str>,
    /// What is reserved, or an amend's extra.
    reserved: Option<i128>,
    original: Option<u64>,
}

impl Due {
    const fn plain(event_type: &'static str) -> Due {
        Due { event_type, reason: None, reserved: None, original: None }
    }

    const fn because(event_type: &'static str, reason: &'static str) -> Due {
        Due { reason: Some(reason), ..Due::plain(event_type) }
    }

    const fn of(event_type: &'static str, reserved: i128) -> Due {
        Due { reserved: Some(reserved), ..Due::plain(event_type) }
    }
}

/// Intake of one partition, as the auditor understands it.
pub(super) struct Intake<'a> {
    keys: &'a Keys,
    /// The key of the streams that was granted last.
    stream_key: Option<String>,
    partition: u32,
    partitions: u32,
    money: Money,
    /// Maker and taker rates.
    fees: (i128, i128),
    rules: i128,
    event_ids: BTreeMap<Who, First>,
    order_ids: BTreeMap<Who, First>,
}

impl Intake<'_> {
    pub(super) fn new(partition: u32, partitions: u32, keys: &Keys) -> Intake<'_> {
        Intake {
            keys,
            stream_key: keys.at_first().map(str::to_owned),
            partition,
            partitions,
            money: Money::default(),
            fees: (0, 0),
            rules: 1,
            event_ids: BTreeMap::new(),
            order_ids: BTreeMap::new(),
        }
    }

    pub(super) const fn money(&self) -> &Money {
        &self.money
    }

    /// The version of the rules in force.
    pub(super) const fn rules(&self) -> i128 {
        self.rules
    }

    /// A stage's record: control takes effect, matching's records too, intake's own did already.
    pub(super) fn read(&mut self, rec: &Rec) -> Result<(), String> {
        if rec.event_type == "FeeScheduleSet" {
            self.fees = (rec.whole("makerBps")?, rec.whole("takerBps")?);
        }
        if rec.event_type == "RulesVersionSet" {
            self.rules = rec.whole("rulesVersion")?;
        }
        self.money.apply_matched(rec).map_err(|what| format!("{what}: {rec}"))
    }

    /// A request: decides it and compares with what intake answered.
    pub(super) fn judge(&mut self, rec: &Rec, answer: &Rec) -> Result<(), String> {
        let due = match self.unusable(rec) {
            Some(reason) => Due::because("RecordRefused", reason),
            None => match self.identify(rec)? {
                Some(due) => due,
                None => self.decide(rec)?,
            },
        };
        let payload = answer.payload();
        let word = |field: &str| payload.get(field).and_then(Value::as_str);
        let mut reserved = answer.maybe_units("reserved");
        if answer.event_type == "AmendAccepted" {
            reserved = answer.maybe_units("extraReserved");
        }
        let offset_of = |position: &str| position.split_once('@')?.1.parse::<u64>().ok();
        let original = word("original").and_then(offset_of);
        // The reason of an adjustment is whatever its operator says.
        let is_adjusted = matches!(answer.event_type.as_str(), "AccountAdjusted" | "AdjustmentRejected");
        let reason = if is_adjusted { word("rejection") } else { word("reason") };
        let told = ["userId", "asset", "amount", "direction", "reason", "corrects"];
        if is_adjusted && told.iter().any(|field| payload.get(field) != rec.payload().get(field)) {
            return Err(format!("{rec} was answered as if it were another: {answer}"));
        }
        let said = (answer.event_type.as_str(), reason, reserved, original);
        if said != (due.event_type, due.reason, due.reserved, due.original) {
            return Err(format!("{rec} was answered {answer}, due was {due:?}"));
        }
        let named = matches!(answer.event_type.as_str(), "DuplicateIgnored" | "RecordRefused");
        if named && word("position") != Some(&rec.at()) {
            return Err(format!("{} is answered as if it were elsewhere: {answer}", rec.at()));
        }
        Ok(())
    }

    /// Why a record can't be used, in intake's order of looking: the faults that the flows of the tests make.
    fn unusable(&self, rec: &Rec) -> Option<&'static str> {
        let Some(value) = &rec.value else { return Some("null_value") };
        let Ok(text) = std::str::from_utf8(value) else { return Some("not_utf8") };
        if rec.json.is_null() {
            return Some("not_json");
        }
        if text.matches("\"amount\":").count() > 1 {
            return Some("duplicate_field");
        }
        if rec.event_type.is_empty() {
            return Some("bad_envelope");
        }
        if rec.event_type == "DepositDreamt" {
            return Some("unknown_type");
        }
        if rec.stamp.is_some() {
            return Some("not_in_stream");
        }
        if !is_read(rec.version(), self.rules) {
            return Some("unknown_version");
        }
        if rec.event_type == "StreamKeyRequested" && self.rules == 1 {
            return Some("unknown_type");
        }
        if rec.event_type == "AdjustmentRequested" && self.rules < 4 {
            return Some("unknown_type");
        }
        if !OUTSIDE.contains(&rec.event_type.as_str()) {
            return Some("not_in_stream");
        }
        if rec.time_ms().is_some_and(|time| time > rec.recorded_at_ms + FUTURE_MS) {
            return Some("timestamp_in_future");
        }
        let user = account_of(rec);
        if rec.key.as_deref() != Some(user.as_bytes()) {
            return Some("wrong_key");
        }
        let home = if user == "_control" { 0 } else { partition_of(user.as_bytes(), self.partitions) };
        if home != self.partition {
            return Some("wrong_partition");
        }
        let unknown_rules = rec.maybe_whole("rulesVersion").is_some_and(|version| !RULES_VERSIONS.contains(&version));
        let too_much = rec.maybe_units("amount").is_some_and(|amount| amount > MOVED_MAX);
        (unknown_rules || too_much).then_some("out_of_range")
    }

    /// First wins: a repeat is ignored, another use of an id refused. A first record claims its ids.
    fn identify(&mut self, rec: &Rec) -> Result<Option<Due>, String> {
        let event_id = rec.event_id().ok_or_else(|| format!("no eventId: {rec}"))?;
        let event_id = (account_of(rec).to_owned(), event_id.to_owned());
        if let Some(first) = self.event_ids.get(&event_id) {
            return Ok(Some(again(first, rec, "id_reused")));
        }
        if rec.event_type == "StreamKeyRequested" {
            if self.stream_key.as_deref().is_some_and(|in_force| !rec.is_sealed(in_force, self.keys)) {
                return Ok(Some(Due::because("RecordRefused", "not_sealed")));
            }
            self.stream_key = Some(rec.text("keyId")?);
        }
        let mut found = None;
        if rec.event_type == "OrderCreated" {
            let who = order_of(rec)?;
            if let Some(first) = self.order_ids.get(&who) {
                let due = again(first, rec, "duplicate_order");
                if due.event_type == "RecordRefused" {
                    return Ok(Some(due));
                }
                found = Some(due);
            } else {
                self.order_ids.insert(who, first_of(rec));
            }
        }
        self.event_ids.insert(event_id, first_of(rec));
        Ok(found)
    }

    fn decide(&mut self, rec: &Rec) -> Result<Due, String> {
        match rec.event_type.as_str() {
            "DepositMade" => {
                self.money.add(&rec.text("userId")?, &rec.text("asset")?, rec.units("amount")?)?;
                Ok(Due::plain("AccountCredited"))
            }
            "WithdrawalRequested" => {
                let (user, asset, amount) = (rec.text("userId")?, rec.text("asset")?, rec.units("amount")?);
                if self.money.available(&user, &asset) < amount {
                    return Ok(Due::because("WithdrawalRejected", insufficient(asset == "USD")));
                }
                self.money.add(&user, &asset, -amount)?;
                Ok(Due::plain("AccountDebited"))
            }
            "AdjustmentRequested" => {
                let (user, asset, given) = (rec.text("userId")?, rec.text("asset")?, rec.given()?);
                if self.money.available(&user, &asset) + given < 0 {
                    return Ok(Due::because("AdjustmentRejected", insufficient(asset == "USD")));
                }
                self.money.add(&user, &asset, given)?;
                Ok(Due::plain("AccountAdjusted"))
            }
            "OrderCreated" => self.create(rec),
            "OrderCancelRequested" => Ok(match self.closed(&order_of(rec)?) {
                Some(reason) => Due::because("CancelRejected", reason),
                None => Due::plain("CancelAccepted"),
            }),
            "OrderAmendRequested" => self.amend(rec),
            "FeeScheduleRequested" => Ok(Due::plain("FeeScheduleSet")),
            "RulesVersionRequested" => Ok(Due::plain("RulesVersionSet")),
            "StreamKeyRequested" => Ok(Due::plain("StreamKeySet")),
            "SessionCloseRequested" => Ok(Due::plain("SessionClosed")),
            other => Err(format!("nobody may ask {other}")),
        }
    }

    fn create(&mut self, rec: &Rec) -> Result<Due, String> {
        let terms = Terms::of(rec)?;
        if !agree(&terms) {
            return Ok(Due::because("OrderRejected", "invalid_terms"));
        }
        if terms.price.is_some_and(|price| price * terms.quantity > NOTIONAL_MAX) {
            return Ok(Due::because("OrderRejected", "notional_too_large"));
        }
        let asset = if terms.buy { "USD" } else { terms.symbol.as_str() };
        let available = self.money.available(&terms.user, asset);
        let (maker, taker) = self.fees;
        let reserved = match (terms.buy, terms.price) {
            (false, _) => terms.quantity * 10_000,
            (true, None) => terms.max_cost.unwrap_or(available),
            (true, Some(price)) => {
                let notional = price * terms.quantity;
                notional + ceil_div(maker.max(taker) * notional, 10_000)
            }
        };
        if reserved == 0 || reserved > available {
            return Ok(Due::because("OrderRejected", insufficient(terms.buy)));
        }
        self.money.accept(rec, &terms, reserved, self.fees)?;
        Ok(Due::of("OrderAccepted", reserved))
    }

    /// Why an order can't be changed any more, if so.
    fn closed(&self, who: &Who) -> Option<&'static str> {
        match self.money.orders.get(who) {
            Some(order) if order.open => None,
            _ if self.order_ids.contains_key(who) => Some("order_closed"),
            _ => Some("unknown_order"),
        }
    }

    fn amend(&mut self, rec: &Rec) -> Result<Due, String> {
        let rejected = |reason| Ok(Due::because("AmendRejected", reason));
        let who = order_of(rec)?;
        if let Some(reason) = self.closed(&who) {
            return rejected(reason);
        }
        let Some(order) = self.money.orders.get(&who) else { return rejected("unknown_order") };
        if order.market || !order.rests {
            return rejected("not_amendable");
        }
        let price = rec.maybe_units("price").unwrap_or(order.price);
        let quantity = rec.maybe_whole("quantity").unwrap_or(order.quantity);
        if !order.undecided.is_empty() && !merely_reduces(order, price, quantity) {
            return rejected("amend_pending");
        }
        if price * quantity > NOTIONAL_MAX {
            return rejected("notional_too_large");
        }
        let more = (quantity - order.quantity).max(0);
        let extra = if order.buy {
            let dearer = (price - order.price).max(0) * order.leaves + price * more;
            dearer + ceil_div(order.max_bps() * dearer, 10_000)
        } else {
            more * 10_000
        };
        if extra > self.money.available(&order.user, &order.held_asset()) {
            return rejected(insufficient(order.buy));
        }
        self.money.amend(&who, (price, quantity, extra))?;
        Ok(Due::of("AmendAccepted", extra))
    }
}

/// Whether requests of that version are read: two of old, and from the third version of the rules on each 2 and anything.
fn is_read(version: Option<&str>, rules: i128) -> bool {
    let is_minor = |minor: &str| minor == "0" || (!minor.starts_with('0') && minor.parse::<u16>().is_ok());
    match version {
        Some("1.0" | "2.0") => true,
        Some(version) => rules > 2 && version.strip_prefix("2.").is_some_and(is_minor),
        None => false,
    }
}

/// Whose record it says it is.
pub(super) fn account_of(rec: &Rec) -> &str {
    rec.payload().get("userId").and_then(Value::as_str).unwrap_or("_control")
}

/// Whether terms don't contradict each other.
fn agree(terms: &Terms) -> bool {
    let lives = matches!(terms.time_in_force.as_str(), "gtc" | "day");
    let priced = terms.price.is_some() != terms.market;
    let post_only = !terms.post_only || (!terms.market && lives);
    let capped = terms.max_cost.is_none() || (terms.market && terms.buy);
    priced && (!terms.market || !lives) && post_only && capped
}

fn merely_reduces(order: &Order, price: i128, quantity: i128) -> bool {
    let below = order.undecided.iter().all(|(at, total, _)| *at == price && quantity < *total);
    below && price == order.price && quantity <= order.quantity
}

const fn insufficient(cash: bool) -> &'static str {
    if cash { "insufficient_funds" } else { "insufficient_shares" }
}

fn first_of(rec: &Rec) -> First {
    First { offset: rec.offset, event_type: rec.event_type.clone(), payload: rec.payload().clone() }
}

/// The same once more, or the id for something else.
fn again(first: &First, rec: &Rec, reason: &'static str) -> Due {
    let same = first.event_type == rec.event_type && first.payload == *rec.payload();
    let due = if same { Due::plain("DuplicateIgnored") } else { Due::because("RecordRefused", reason) };
    Due { original: Some(first.offset), ..due }
}
