//! What clients asked and were told, against the log: everything acknowledged stands there once, no answer ever changed, and
//! what one client asked after it had an answer stands behind it.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::records::units_of;
use super::story::{Request, Story};
use super::{Audit, Findings};

/// The namespaces of the ids that HTTP derives from an account and an `Idempotency-Key`.
const EVENT_IDS: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_6576_6e74);
const ORDER_IDS: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_6f72_6472);

/// One request under one key, however often it was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose account, or `_control`.
    pub account: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The event that it becomes.
    pub event_type: &'static str,
    /// The body.
    pub body: Value,
    /// The order that it is about, if it changes one.
    pub about: Option<String>,
    /// When it was first sent, on a clock that all clients of a run share.
    pub began: u64,
    /// Every answer.
    pub answers: Vec<Answered>,
}

/// An answer as a client got it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When it came, on the same clock.
    pub at: u64,
    /// The HTTP status.
    pub status: u16,
    /// Whether it says that it repeats an earlier one.
    pub replayed: bool,
    /// The body.
    pub body: Value,
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} at {}{}: {:.400}",
            self.status,
            self.at,
            if self.replayed { ", replayed" } else { "" },
            self.body.to_string()
        )
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Asked { account, key, event_type, body, about, began, .. } = self;
        write!(f, "{event_type} of {account} under {key} at {began}, about {about:?}: {body}")
    }
}

impl Answered {
    /// Whether the answer says what was decided: not that it isn't known.
    pub fn is_final(&self) -> bool {
        self.status < 300
    }
}

impl Asked {
    /// The id of the event.
    pub fn event_id(&self) -> String {
        derived(&EVENT_IDS, &self.account, &self.key)
    }

    /// The id of the order that it places.
    pub fn order_id(&self) -> String {
        derived(&ORDER_IDS, &self.account, &self.key)
    }
}

fn derived(namespace: &Uuid, account: &str, key: &str) -> String {
    Uuid::new_v5(namespace, format!("{account} {key}").as_bytes()).to_string()
}

/// Holds a journal against the story of the log.
pub fn check(journal: &[Asked], audit: &mut Audit) {
    let Audit { findings, story, seen } = audit;
    let mut known = BTreeMap::new();
    for asked in journal {
        known.insert((asked.account.clone(), asked.event_id()), asked);
        findings.check(check_asked(asked, story));
        *seen.entry("answers checked".to_owned()).or_default() += asked.answers.len() as u64;
    }
    for who in story.requests.keys() {
        if !known.contains_key(who) {
            findings.add(format!("nobody asked for this: {who:?}"));
        }
    }
    check_order(&known, story, findings);
}

fn check_asked(asked: &Asked, story: &Story) -> Result<(), String> {
    let request = story.requests.get(&(asked.account.clone(), asked.event_id()));
    let Some(request) = request else {
        if asked.answers.iter().any(Answered::is_final) {
            return Err(format!("it was acknowledged, and the log has it not: {asked}"));
        }
        return Ok(());
    };
    if request.event_type != asked.event_type || request.reused > 0 {
        return Err(format!("it was asked otherwise than the log has it: {asked}, {request}"));
    }
    check_wish(asked, request)?;
    for answered in &asked.answers {
        check_answer(asked, request, answered, story)
            .map_err(|what| format!("{what}: {answered}; {asked}; {request}"))?;
    }
    Ok(())
}

/// What stands in the log is what the body says.
fn check_wish(asked: &Asked, request: &Request) -> Result<(), String> {
    let Some(fields) = asked.body.as_object() else { return Ok(()) };
    for (field, wanted) in fields {
        let stands = request.payload.get(field).unwrap_or(&Value::Null);
        // What a correction takes is asked for below zero, and stands above it.
        let takes = field == "amount" && request.payload.get("direction").is_some_and(|direction| direction == "debit");
        let units = units_of(stands).map(|units| if takes { -units } else { units });
        let same = wanted == stands && !takes || units_of(wanted).is_some_and(|wanted| units == Some(wanted));
        if !same && *wanted != Value::Bool(false) {
            return Err(format!("{field} was {wanted} and stands as {stands}: {asked}"));
        }
    }
    if asked.about.as_deref().is_some_and(|order| request.payload.get("orderId").and_then(Value::as_str) != Some(order))
    {
        return Err(format!("it is about another order: {asked}, {}", request.payload));
    }
    Ok(())
}

fn check_answer(asked: &Asked, request: &Request, answered: &Answered, story: &Story) -> Result<(), String> {
    if !answered.is_final() {
        // Unknown, not ready: says nothing. Anything else would deny what stands in the log.
        let denies = (400..500).contains(&answered.status);
        return if denies { Err("it was refused, and stands in the log".to_owned()) } else { Ok(()) };
    }
    let text = |field: &str| answered.body.get(field).and_then(Value::as_str);
    if text("eventId").is_some_and(|id| id != asked.event_id()) {
        return Err("another eventId".to_owned());
    }
    let position = text("position").unwrap_or_default();
    let at = |topic: &str| {
        let prefix = format!("{topic}-{}@", request.partition);
        position.split(',').find_map(|part| part.strip_prefix(&prefix)?.parse::<u64>().ok())
    };
    let Some(offset) = at("orders") else { return Err("it names no position in its partition".to_owned()) };
    // A correction is answered as intake judged it, in any case.
    let decided = answered.status == 200 && asked.event_type != "AdjustmentRequested";
    // A twin may have written the answer once more: that says the same.
    let again = story.again.get(&(request.partition, request.offset)).is_some_and(|again| again.contains(&offset));
    if !decided && offset != request.answer_offset && !again {
        return Err("it names a position where the answer doesn't stand".to_owned());
    }
    let due: &[&str] = match asked.event_type {
        "DepositMade" => &["AccountCredited"],
        "WithdrawalRequested" => &["AccountDebited", "WithdrawalRejected"],
        "AdjustmentRequested" => &["AccountAdjusted", "AdjustmentRejected"],
        "OrderCreated" => &["OrderAccepted", "OrderRejected"],
        "OrderCancelRequested" => &["CancelAccepted", "CancelRejected"],
        "OrderAmendRequested" => &["AmendAccepted", "AmendRejected"],
        "FeeScheduleRequested" => &["FeeScheduleSet"],
        "RulesVersionRequested" => &["RulesVersionSet"],
        "StreamKeyRequested" => &["StreamKeySet"],
        _ => &["SessionClosed"],
    };
    if !due.contains(&request.answer_type.as_str()) {
        return Err("the log answers with another kind of event".to_owned());
    }
    let reason = request.answer.get("reason").and_then(Value::as_str);
    match asked.event_type {
        "OrderCreated" => {
            if text("orderId") != Some(&asked.order_id()) {
                return Err("another orderId".to_owned());
            }
            check_status(&asked.account, &asked.order_id(), answered, decided.then_some(offset), reason, story)
        }
        "OrderCancelRequested" | "OrderAmendRequested" if decided => {
            let order = asked.about.as_deref().unwrap_or_default();
            let rejected = text("requestRejected");
            if reason.is_some() && rejected != reason {
                return Err(format!("it was rejected: {reason:?}"));
            }
            check_status(&asked.account, order, answered, Some(offset), None, story)
        }
        "AdjustmentRequested" => {
            let rejection = request.answer.get("rejection").and_then(Value::as_str);
            let due = if rejection.is_some() { (200, Some("rejected")) } else { (201, Some("booked")) };
            if (answered.status, text("status")) == due && text("rejection") == rejection {
                Ok(())
            } else {
                Err(format!("intake said {rejection:?}"))
            }
        }
        "OrderCancelRequested" | "OrderAmendRequested" if text("requestRejected") != reason => {
            Err(format!("intake said {reason:?}"))
        }
        "WithdrawalRequested" if decided => {
            let status = if reason.is_some() { "rejected" } else { "completed" };
            if text("status") == Some(status) && text("reason") == reason {
                Ok(())
            } else {
                Err(format!("it is {status}"))
            }
        }
        _ => Ok(()),
    }
}

/// Status and filled quantity of an order as it was at that offset; without one as intake judged it.
fn check_status(
    user: &str,
    order: &str,
    answered: &Answered,
    at: Option<u64>,
    reason: Option<&str>,
    story: &Story,
) -> Result<(), String> {
    let status = answered.body.get("status").and_then(Value::as_str);
    let who = (user.to_owned(), order.to_owned());
    let Some(known) = story.orders.get(&who) else {
        let why = story.rejected.get(&who).map(|(_, why)| why.as_str());
        let said = answered.body.get("reason").and_then(Value::as_str);
        let same = status == Some("rejected") && why.is_some() && said == why;
        return if same { Ok(()) } else { Err(format!("the log has it rejected: {why:?}")) };
    };
    let Some(at) = at else {
        return if status == Some("new") && reason.is_none() { Ok(()) } else { Err("it was accepted".to_owned()) };
    };
    let stood = known.history.iter().rev().find(|(offset, ..)| *offset <= at);
    let Some((_, due, cum)) = stood else { return Err("the order was not there yet".to_owned()) };
    let told = answered.body.get("cumQuantity").and_then(Value::as_i64).map(i128::from);
    if status != Some(due) || told != Some(*cum) {
        return Err(format!("at orders@{at} it was {due} with {cum} filled"));
    }
    Ok(())
}

/// Whatever was answered before something else was asked of the same account stands before it.
fn check_order(known: &BTreeMap<(String, String), &Asked>, story: &Story, findings: &mut Findings) {
    /// When, whether it is an answer, where it stands, whose.
    type Moment<'a> = (u64, bool, u64, &'a str);
    let mut moments: Vec<Moment<'_>> = Vec::new();
    for (who, request) in &story.requests {
        let Some(asked) = known.get(who) else { continue };
        moments.push((asked.began, false, request.offset, &who.0));
        let answered = asked.answers.iter().filter(|answered| answered.is_final()).map(|answered| answered.at).min();
        moments.extend(answered.map(|at| (at, true, request.offset, who.0.as_str())));
    }
    moments.sort_unstable();
    let mut answered: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, is_answer, offset, account) in moments {
        let last = answered.entry(account).or_default();
        if is_answer {
            *last = offset.max(*last);
        } else if offset < *last {
            findings
                .add(format!("{account}: what was asked at {at} stands at {offset}, before {last}, answered earlier"));
        }
    }
}
