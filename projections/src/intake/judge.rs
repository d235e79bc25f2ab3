//! Whether an outside record can be used at all: shape, key, place, time, bounds.

use orderledger_domain::envelope::{Envelope, Refusal};
use orderledger_domain::event::{Adjustment, Event, Origin};
use orderledger_domain::ids::Asset;
use orderledger_domain::money::Amount;
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::rules::Rules;
use orderledger_domain::strict;

use crate::worker::read::Read;

/// The key of control events.
pub(crate) const CONTROL_KEY: &str = "_control";
/// The key of refusals.
pub(crate) const REFUSED_KEY: &str = "_refused";
/// The most symbols that one close may name: what it becomes must stay far below the largest record.
const CLOSED_SYMBOLS_MAX: usize = 10_000;
/// The most characters of why an account is adjusted.
const REASON_MAX: usize = 500;
/// How far ahead of the append time an envelope's timestamp may be.
const FUTURE_SECONDS: i64 = 300;

/// The usable envelope and event of an outside record, or why it is refused.
pub(crate) fn usable(read: &Read, partitions: u32, rules: Rules) -> Result<(&Envelope, &Event), Refusal> {
    strict::check(read.value.as_deref())?;
    // From here on the value is JSON.
    let of_form = |refusal: &Refusal| match refusal.reason {
        RefuseReason::NotJson if rules.tells_form_from_syntax() => {
            Refusal { reason: RefuseReason::BadEnvelope, ..refusal.clone() }
        }
        _ => refusal.clone(),
    };
    let envelope = read.envelope.as_ref().map_err(of_form)?;
    if !rules.reads(envelope.version) {
        return Err(Refusal::unknown_version(&envelope.version.to_string()));
    }
    if !rules.know(envelope.event_type) {
        return Err(Refusal::unknown_type(envelope.event_type.as_str()));
    }
    if matches!(envelope.event_type.origin(), Origin::Derived | Origin::Operator) {
        let detail = format!("{} is no event for outside producers", envelope.event_type.as_str());
        return Err(Refusal::new(RefuseReason::NotInStream, detail));
    }
    if envelope.timestamp > read.recorded_at.plus_seconds(FUTURE_SECONDS) {
        let detail = format!("{} is more than 5 minutes after the append time", envelope.timestamp);
        return Err(Refusal::new(RefuseReason::TimestampInFuture, detail));
    }
    let event = envelope.event.as_ref().map_err(of_form)?;
    check_place(read, event, partitions)?;
    check_bounds(event, rules)?;
    if let Event::AdjustmentRequested(adjustment) = event {
        check_adjustment(read.position, adjustment)?;
    }
    Ok((envelope, event))
}

fn check_place(read: &Read, event: &Event, partitions: u32) -> Result<(), Refusal> {
    let expected = event.user_id().map_or(CONTROL_KEY, |user| user.as_str());
    if read.key.as_deref() != Some(expected.as_bytes()) {
        let detail = format!("the record's key must be {expected}");
        return Err(Refusal::new(RefuseReason::WrongKey, detail));
    }
    let home = event.user_id().map_or(0, |user| partition::of_key(user.as_str().as_bytes(), partitions));
    if home != read.position.partition {
        let detail = format!("{expected} belongs to partition {home}: set the producer's partitioner to murmur2");
        return Err(Refusal::new(RefuseReason::WrongPartition, detail));
    }
    Ok(())
}

fn check_bounds(event: &Event, in_force: Rules) -> Result<(), Refusal> {
    let out_of_range = |what: &str| Err(Refusal::new(RefuseReason::OutOfRange, what.to_owned()));
    match event {
        Event::DepositMade(moved) => check_moved(moved.asset, moved.amount),
        Event::WithdrawalRequested(moved) => check_moved(moved.asset, moved.amount),
        Event::OrderCreated(order) if order.quantity.is_zero() => out_of_range("quantity must be 1 to 100000000000"),
        Event::OrderCreated(order) => order.max_cost.map_or(Ok(()), |cost| check_moved(Asset::USD, cost)),
        Event::OrderAmendRequested(amend) if amend.quantity.is_some_and(|quantity| quantity.is_zero()) => {
            out_of_range("quantity must be 1 to 100000000000")
        }
        Event::OrderAmendRequested(amend) if amend.quantity.is_none() && amend.price.is_none() => {
            Err(Refusal::new(RefuseReason::BadEnvelope, "an amend must name quantity or price"))
        }
        Event::SessionCloseRequested(close) if close.symbols.as_ref().is_some_and(|s| s.len() > CLOSED_SYMBOLS_MAX) => {
            out_of_range("a close may name at most 10000 symbols")
        }
        Event::RulesVersionRequested(rules) => match Rules::try_from(rules.rules_version) {
            Ok(_) => Ok(()),
            Err(_) => out_of_range(in_force.refusal_of_unknown()),
        },
        _ => Ok(()),
    }
}

/// A correction says why, and names nothing that isn't there yet.
fn check_adjustment(at: Position, adjustment: &Adjustment) -> Result<(), Refusal> {
    let Adjustment { asset, amount, reason, corrects, .. } = adjustment;
    check_moved(*asset, *amount)?;
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        let detail = format!("reason must be a text of 1 to {REASON_MAX} characters");
        return Err(Refusal::new(RefuseReason::OutOfRange, detail));
    }
    let (home, end) = (Topic::Orders.at(at.partition), at.offset);
    if corrects.is_some_and(|earlier| earlier.topic_partition() != home || earlier.offset >= end) {
        let detail = format!("corrects must be an earlier position in {home}");
        return Err(Refusal::new(RefuseReason::OutOfRange, detail));
    }
    Ok(())
}

fn check_moved(asset: Asset, amount: Amount) -> Result<(), Refusal> {
    if Amount::movable(amount.units()).is_err() {
        return Err(Refusal::new(RefuseReason::OutOfRange, "amount must be 0.0001 to 100000000000000"));
    }
    if !asset.is_cash() && !amount.is_whole() {
        return Err(Refusal::new(RefuseReason::OutOfRange, "shares are whole"));
    }
    Ok(())
}
