//! Corrections from outside: which are used, which are refused, and under which rules.

use std::sync::Arc;

use orderledger_domain::envelope;
use orderledger_domain::event::{Adjustment, Direction, Event, RulesVersion};
use orderledger_domain::ids::Asset;
use orderledger_domain::money::Amount;
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Position, Topic};
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{EventLog, NewRecord};

use crate::harness::{PARTITIONS, Stages, append, deposit, id, outside, records, user};

const NAME: &str = "ann";

/// Everything that a record says but its userId.
struct Correction {
    direction: Direction,
    units: i128,
    asset: &'static str,
    reason: String,
    corrects: Option<Position>,
}

fn debit(units: i128) -> Correction {
    let reason = "it was told twice".to_owned();
    Correction { direction: Direction::Debit, units, asset: "USD", reason, corrects: None }
}

fn record(number: u64, correction: Correction) -> NewRecord {
    let Correction { direction, units, asset, reason, corrects } = correction;
    let asset = Asset::new(asset).unwrap();
    let amount = Amount::from_units(units);
    let adjustment = Adjustment { user_id: user(NAME), asset, direction, amount, reason, corrects };
    outside(id(number), &Event::AdjustmentRequested(adjustment))
}

/// What intake says of it: the event's type and why not.
fn said(log: &MemoryLog, stages: &Stages, record: NewRecord) -> (&'static str, String) {
    let home = record.to;
    append(log, vec![record]);
    stages.settle(log);
    let answer = records(log, home).pop().unwrap();
    let event = envelope::read(answer.value.as_deref()).unwrap().event.unwrap();
    let why = match &event {
        Event::RecordRefused(refused) => format!("{}: {}", refused.reason.as_str(), refused.detail),
        Event::AdjustmentRejected(rejected) => rejected.rejection.as_str().to_owned(),
        _ => String::new(),
    };
    (event.event_type().as_str(), why)
}

#[test]
fn a_correction_is_booked_rejected_or_refused_as_this_table_says() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    let set_rules = |number, rules_version| {
        append(&log, vec![outside(id(number), &Event::RulesVersionRequested(RulesVersion { rules_version }))]);
        stages.settle(&log);
    };
    append(&log, vec![outside(id(1), &deposit(NAME, "USD", 100))]);
    set_rules(2, 3);
    let unknown = ("RecordRefused", "unknown_type: no event type AdjustmentRequested".to_owned());
    assert_eq!(said(&log, &stages, record(3, debit(1))), unknown);
    set_rules(4, 4);

    let home = Topic::Orders.at(of_key(NAME.as_bytes(), PARTITIONS));
    let elsewhere = Topic::Orders.at((home.partition + 1) % PARTITIONS);
    let out_of_range = |detail: &str| ("RecordRefused", format!("out_of_range: {detail}"));
    let (reason, amount) = ("reason must be a text of 1 to 500 characters", "amount must be 0.0001 to 100000000000000");
    let corrects = format!("corrects must be an earlier position in {home}");
    let of = |corrects| Correction { corrects: Some(corrects), ..debit(1) };
    let because = |reason: String| Correction { reason, ..debit(1) };
    // The next record's own place.
    let end = |log: &MemoryLog| home.offset(log.end_offset(home).unwrap());
    for (number, correction, expected) in [
        (10, debit(0), out_of_range(amount)),
        (11, debit(1_000_000_000_000_000_001), out_of_range(amount)),
        (12, Correction { asset: "AAPL", ..debit(1) }, out_of_range("shares are whole")),
        (13, because(String::new()), out_of_range(reason)),
        (14, because(" \t ".to_owned()), out_of_range(reason)),
        (15, because("ü".repeat(501)), out_of_range(reason)),
        (16, because("ü".repeat(500)), ("AccountAdjusted", String::new())),
        (17, of(elsewhere.offset(0)), out_of_range(&corrects)),
        (18, of(Topic::Books.at(home.partition).offset(0)), out_of_range(&corrects)),
        (19, of(home.offset(0)), ("AccountAdjusted", String::new())),
        (20, debit(1_000_000), ("AdjustmentRejected", "insufficient_funds".to_owned())),
        (21, Correction { asset: "AAPL", ..debit(10_000) }, ("AdjustmentRejected", "insufficient_shares".to_owned())),
        (22, debit(999_998), ("AccountAdjusted", String::new())),
        (23, debit(1), ("AdjustmentRejected", "insufficient_funds".to_owned())),
        (24, Correction { direction: Direction::Credit, ..debit(1) }, ("AccountAdjusted", String::new())),
    ] {
        assert_eq!(said(&log, &stages, record(number, correction)), expected, "{number}");
    }
    let itself = end(&log);
    assert_eq!(said(&log, &stages, record(30, of(itself))), out_of_range(&corrects));
    let last = home.offset(end(&log).offset - 1);
    assert_eq!(said(&log, &stages, record(31, of(last))), ("AccountAdjusted", String::new()));
    // Under older rules it is unknown again, whatever stands there.
    set_rules(40, 2);
    assert_eq!(said(&log, &stages, record(41, debit(1))), unknown);
    stages.stop();
}
