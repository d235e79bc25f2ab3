//! What intake must answer to each request, decided once more.

use std::collections::BTreeMap;

use orderledger_domain::partition::of_key;
use orderledger_tests::stages::PARTITIONS;
use serde_json::Value;

use super::money::{Money, Order, Who, ceil_div, order_of};
use super::records::Rec;

const OUTSIDE: [&str; 8] = [
    "DepositMade",
    "WithdrawalRequested",
    "OrderCreated",
    "OrderCancelRequested",
    "OrderAmendRequested",
    "FeeScheduleRequested",
    "RulesVersionRequested",
    "SessionCloseRequested",
];
const MOST_MOVED: i128 = 1_000_000_000_000_000_000;

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
pub(crate) struct Intake {
    partition: u32,
    money: Money,
    /// Maker and taker rates.
    fees: (i128, i128),
    event_ids: BTreeMap<Who, First>,
    order_ids: BTreeMap<Who, First>,
}

impl Intake {
    pub(crate) fn new(partition: u32) -> Intake {
        let (event_ids, order_ids) = (BTreeMap::new(), BTreeMap::new());
        Intake { partition, money: Money::default(), fees: (0, 0), event_ids, order_ids }
    }

    pub(crate) const fn money(&self) -> &Money {
        &self.money
    }

    /// A stage's record: control takes effect, matching's records too, intake's own did already.
    pub(crate) fn read(&mut self, rec: &Rec) {
        if rec.event_type == "FeeScheduleSet" {
            self.fees = (rec.whole("makerBps"), rec.whole("takerBps"));
        }
        self.money.apply_matched(rec);
    }

    /// A request: decides it and compares with what intake answered.
    pub(crate) fn judge(&mut self, rec: &Rec, answer: &Rec) {
        let due = match self.unusable(rec) {
            Some(reason) => Due::because("RecordRefused", reason),
            None => self.identify(rec).unwrap_or_else(|| self.decide(rec)),
        };
        let payload = answer.payload();
        let reserved = answer
            .maybe_units("reserved")
            .or_else(|| (answer.event_type == "AmendAccepted").then(|| answer.units("extraReserved")));
        let original = payload["original"].as_str();
        let original = original.map(|position| position.split_once('@').unwrap().1.parse().unwrap());
        let event_type = answer.event_type.as_str();
        let said = (event_type, payload["reason"].as_str(), reserved, original);
        assert_eq!(said, (due.event_type, due.reason, due.reserved, due.original), "{rec:?} was answered {answer:?}");
        if matches!(event_type, "DuplicateIgnored" | "RecordRefused") {
            let position = format!("orders-{}@{}", self.partition, rec.offset);
            assert_eq!(payload["position"].as_str(), Some(position.as_str()), "{answer:?}");
        }
    }

    /// Why a record can't be used: the faults that this flow makes, in intake's order of looking.
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
        if rec.json["metadata"]["version"] != "2.0" {
            return Some("unknown_version");
        }
        if !OUTSIDE.contains(&rec.event_type.as_str()) {
            return Some("not_in_stream");
        }
        if rec.json["timestamp"].as_str().unwrap().starts_with("2125") {
            return Some("timestamp_in_future");
        }
        let user = rec.payload()["userId"].as_str().unwrap_or("_control");
        if rec.key.as_deref() != Some(user.as_bytes()) {
            return Some("wrong_key");
        }
        let home = if user == "_control" { 0 } else { of_key(user.as_bytes(), PARTITIONS) };
        if home != self.partition {
            return Some("wrong_partition");
        }
        rec.maybe_units("amount").is_some_and(|amount| amount > MOST_MOVED).then_some("out_of_range")
    }

    /// First wins: a repeat is ignored, another use of an id refused. A first record claims its ids.
    fn identify(&mut self, rec: &Rec) -> Option<Due> {
        let user = rec.payload()["userId"].as_str().unwrap_or("_control").to_owned();
        let event_id = (user, rec.json["eventId"].as_str().unwrap().to_owned());
        if let Some(first) = self.event_ids.get(&event_id) {
            return Some(again(first, rec, "id_reused"));
        }
        let mut found = None;
        if rec.event_type == "OrderCreated" {
            if let Some(first) = self.order_ids.get(&order_of(rec)) {
                let due = again(first, rec, "duplicate_order");
                if due.event_type == "RecordRefused" {
                    return Some(due);
                }
                found = Some(due);
            } else {
                self.order_ids.insert(order_of(rec), first_of(rec));
            }
        }
        self.event_ids.insert(event_id, first_of(rec));
        found
    }

    fn decide(&mut self, rec: &Rec) -> Due {
        match rec.event_type.as_str() {
            "DepositMade" => {
                self.money.add(&rec.text("userId"), &rec.text("asset"), rec.units("amount"));
                Due::plain("AccountCredited")
            }
            "WithdrawalRequested" => {
                let (user, asset, amount) = (rec.text("userId"), rec.text("asset"), rec.units("amount"));
                if self.money.available(&user, &asset) < amount {
                    return Due::because("WithdrawalRejected", insufficient(asset == "USD"));
                }
                self.money.add(&user, &asset, -amount);
                Due::plain("AccountDebited")
            }
            "OrderCreated" => self.create(rec),
            "OrderCancelRequested" => match self.closed(&order_of(rec)) {
                Some(reason) => Due::because("CancelRejected", reason),
                None => Due::plain("CancelAccepted"),
            },
            "OrderAmendRequested" => self.amend(rec),
            "FeeScheduleRequested" => Due::plain("FeeScheduleSet"),
            "SessionCloseRequested" => Due::plain("SessionClosed"),
            other => panic!("{other} is not asked here"),
        }
    }

    fn create(&mut self, rec: &Rec) -> Due {
        let (buy, market) = (rec.text("side") == "buy", rec.text("orderType") == "market");
        let market_terms = !matches!(rec.payload()["timeInForce"].as_str(), Some("gtc" | "day"));
        if market && (rec.maybe_units("price").is_some() || !market_terms) {
            return Due::because("OrderRejected", "invalid_terms");
        }
        let (user, asset) = (rec.text("userId"), if buy { "USD".to_owned() } else { rec.text("symbol") });
        let available = self.money.available(&user, &asset);
        let (quantity, (maker, taker)) = (rec.whole("quantity"), self.fees);
        let reserved = match (buy, market) {
            (false, _) => quantity * 10_000,
            (true, true) => rec.maybe_units("maxCost").unwrap_or(available),
            (true, false) => {
                let notional = rec.units("price") * quantity;
                notional + ceil_div(maker.max(taker) * notional, 10_000)
            }
        };
        if reserved == 0 || reserved > available {
            return Due::because("OrderRejected", insufficient(buy));
        }
        self.money.accept(rec, reserved, maker, taker);
        Due::of("OrderAccepted", reserved)
    }

    /// Why an order can't be changed any more, if so.
    fn closed(&self, who: &Who) -> Option<&'static str> {
        match self.money.orders.get(who) {
            Some(order) if order.open => None,
            _ if self.order_ids.contains_key(who) => Some("order_closed"),
            _ => Some("unknown_order"),
        }
    }

    fn amend(&mut self, rec: &Rec) -> Due {
        let rejected = |reason| Due::because("AmendRejected", reason);
        let who = order_of(rec);
        if let Some(reason) = self.closed(&who) {
            return rejected(reason);
        }
        let order = &self.money.orders[&who];
        if order.market || !order.rests {
            return rejected("not_amendable");
        }
        let price = rec.maybe_units("price").unwrap_or(order.price);
        let quantity = rec.maybe_whole("quantity").unwrap_or(order.quantity);
        if !order.undecided.is_empty() && !merely_reduces(order, price, quantity) {
            return rejected("amend_pending");
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
        self.money.amend(&who, (price, quantity, extra));
        Due::of("AmendAccepted", extra)
    }
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
