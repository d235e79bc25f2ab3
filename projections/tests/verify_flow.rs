//! Days of the real stages are verified equal; every kind of damage is found where it was done.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod damage;
mod days;

use damage::{Edit, FixedLog, restamped};
use days::{Market, PARTITIONS};
use orderledger_domain::envelope::{Cause, write_derived};
use orderledger_domain::event::{AccountCredited, Event};
use orderledger_domain::ids::Asset;
use orderledger_domain::money::{Amount, Quantity};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::stream::{StreamKey, StreamMark};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::verify::{Check, LedgerRows, Report, ViewRows, verify};
use orderledger_projections::worker::read::Read;
use uuid::Uuid;

fn check(log: &FixedLog, rows: &dyn ViewRows) -> Report {
    let mut records = 0;
    let report = verify(log, &StreamKey::default(), rows, &mut |read| records = read).unwrap();
    assert_eq!(records, report.records);
    report
}

fn day(seed: u64) -> (FixedLog, LedgerRows) {
    let mut market = Market::new(seed);
    market.day();
    let log = FixedLog::of(&market.log);
    let rows = log.folded();
    (log, rows)
}

/// The differences of a check, as text.
fn differences(report: &Report, of: Check) -> String {
    let compared = report.check(of);
    assert!(!report.is_equal() && compared.differences > 0, "{of:?}: {report}");
    compared.first.iter().map(|it| format!("{}: expected {}, found {}\n", it.at, it.expected, it.found)).collect()
}

/// Which checks found a difference.
fn found_by(report: &Report) -> Vec<Check> {
    report.checks().filter(|(_, compared)| compared.differences > 0).map(|(check, _)| check).collect()
}

#[test]
fn days_of_the_real_stages_are_equal() {
    for seed in 0..8 {
        let (log, rows) = day(seed);
        let report = check(&log, &rows);
        assert!(report.is_equal(), "seed {seed}\n{report}");
        assert_eq!((report.unanswered, report.pending), (0, 0));
        // These rows belong to no view on a disk.
        for (check, compared) in report.checks().filter(|(check, _)| *check != Check::Digests) {
            assert!(compared.compared > 0, "seed {seed}: {check:?} compared nothing");
        }
    }
}

#[test]
fn what_the_stages_have_not_done_yet_is_no_difference() {
    let mut market = Market::new(100);
    market.busy_hours();
    let log = FixedLog::of(&market.log);
    let report = check(&log, &log.folded());
    assert!(report.is_equal() && report.unanswered > 0, "{report}");

    // A crash before the last trade was written.
    market.evening();
    let log = FixedLog::of(&market.log);
    let cut = log.without_end(Topic::Trades.at(some_trade(&log).partition));
    let report = check(&cut, &cut.folded());
    assert!(report.is_equal() && (report.unanswered, report.pending) == (0, 1), "{report}");
}

fn some_trade(log: &FixedLog) -> Position {
    log.reads().iter().find(|read| read.position.topic == Topic::Trades).unwrap().position
}

#[test]
fn repeats_of_a_stage_that_crashed_are_no_difference() {
    let mut market = Market::new(7);
    market.busy_hours();
    let repeated: Vec<_> = market.log.iter().map(|(of, reads)| (*of, reads[reads.len() / 2..].to_vec())).collect();
    for (of, reads) in repeated {
        for read in reads.into_iter().filter(|read| read.envelope.as_ref().is_ok_and(|it| it.stamp.is_some())) {
            market.append(of, read.key.unwrap(), read.value.unwrap());
        }
    }
    market.evening();
    let log = FixedLog::of(&market.log);
    let report = check(&log, &log.folded());
    assert!(report.is_equal(), "{report}");
}

#[test]
fn a_record_ahead_of_one_that_a_crash_lost_is_no_difference_once_both_came_again() {
    let (log, _) = day(11);
    let trades = Topic::Trades.at(some_trade(&log).partition);
    let early = log.with_last_ahead(trades);
    let report = check(&early, &early.folded());
    assert!(report.is_equal(), "{report}");
    let only_ahead = early.without_end(trades);
    assert!(differences(&check(&only_ahead, &only_ahead.folded()), Check::Streams).starts_with("trades-"));
}

/// The first fill that is not the last record of its partition.
fn some_fill(log: &FixedLog) -> Position {
    let is_fill = |read: &&Read| read.envelope.as_ref().is_ok_and(|it| matches!(it.event, Ok(Event::OrderFilled(_))));
    let reads = log.reads();
    let fill = reads.iter().filter(is_fill).find(|read| read.position.topic == Topic::Orders).unwrap();
    fill.position
}

#[test]
fn a_missing_fill_is_found() {
    let (log, rows) = day(1);
    let fill = some_fill(&log);
    // As it would be if the stream had been written without it, and if it was cut out of the log.
    let without = restamped(&log, |read| if read.position == fill { Edit::Drop } else { Edit::Keep });
    let report = check(&without, &rows);
    assert!(differences(&report, Check::Matching).contains("OrderFilled"), "{report}");
    assert!(differences(&report, Check::Records).starts_with(&fill.to_string()), "{report}");
    let cut = log.without(fill);
    assert!(!check(&cut, &rows).is_equal());
}

#[test]
fn a_changed_fee_is_found() {
    let (log, rows) = day(2);
    let at = some_fill(&log);
    let changed = restamped(&log, |read| match &read.envelope.as_ref().unwrap().event {
        Ok(Event::OrderFilled(fill)) if read.position == at => {
            let mut fill = fill.clone();
            fill.fee = fill.fee.plus(Amount::from_units(1));
            Edit::Say(Event::OrderFilled(fill))
        }
        _ => Edit::Keep,
    });
    let report = check(&changed, &rows);
    assert!(differences(&report, Check::Money).contains(&format!("{at}: expected fee")), "{report}");
    assert!(differences(&report, Check::Matching).starts_with(&at.to_string()), "{report}");
}

#[test]
fn a_trade_at_another_price_is_found() {
    let (log, rows) = day(3);
    let changed = restamped(&log, |read| match &read.envelope.as_ref().unwrap().event {
        Ok(Event::TradeExecuted(trade)) if trade.book_seq == 2 => {
            let mut trade = trade.clone();
            trade.quantity = trade.quantity.plus(Quantity::new(1).unwrap());
            Edit::Say(Event::TradeExecuted(trade))
        }
        _ => Edit::Keep,
    });
    let report = check(&changed, &rows);
    differences(&report, Check::Matching);
    differences(&report, Check::Tape);
    differences(&report, Check::Candles);
}

#[test]
fn an_answer_that_was_not_asked_for_is_found() {
    let (log, rows) = day(4);
    let mut is_done = false;
    let changed = restamped(&log, |read| match &read.envelope.as_ref().unwrap().event {
        Ok(Event::AccountCredited(credited)) if !is_done => {
            is_done = true;
            let amount = credited.amount.plus(Amount::from_units(10_000));
            Edit::Say(Event::AccountCredited(AccountCredited { amount, ..credited.clone() }))
        }
        _ => Edit::Keep,
    });
    let report = check(&changed, &rows);
    assert!(differences(&report, Check::Answers).contains("an answer to DepositMade"), "{report}");
    differences(&report, Check::Balances);
    differences(&report, Check::SystemAccounts);
}

/// A record as an outsider forges it who does not know the stream.
fn forged(topic: Topic, partition: u32) -> (String, Vec<u8>) {
    let credited = AccountCredited {
        user_id: "u1".parse().unwrap(),
        asset: Asset::USD,
        amount: Amount::from_units(10_000),
        request_id: Uuid::from_u128(1),
    };
    let event = Event::AccountCredited(credited);
    let payload = orderledger_domain::envelope::payload_bytes(&event);
    let cause = Cause { position: topic.at(partition).offset(1), index: 0 };
    let stamp = StreamMark { sequence: 1_000_000, digest: 1 }.next_stamp(cause);
    ("u1".to_owned(), write_derived(event.event_type(), &payload, Timestamp::from_millis(1), &stamp, "intake"))
}

#[test]
fn a_forged_record_in_orders_is_an_outsiders_and_refused() {
    let mut market = Market::new(5);
    market.busy_hours();
    let (key, value) = forged(Topic::Orders, 1);
    market.append(Topic::Orders.at(1), key.into(), value.into());
    market.evening();
    let log = FixedLog::of(&market.log);
    let report = check(&log, &log.folded());
    assert!(report.is_equal(), "{report}");
}

#[test]
fn a_forged_record_elsewhere_is_found() {
    let mut market = Market::new(6);
    market.day();
    let (key, value) = forged(Topic::Books, 1);
    market.append(Topic::Trades.at(1), key.into(), value.into());
    let log = FixedLog::of(&market.log);
    let report = check(&log, &log.folded());
    assert!(differences(&report, Check::Streams).contains("trades-1@"), "{report}");
}

#[test]
fn every_changed_or_missing_row_is_found() {
    let (log, rows) = day(8);
    for (changed, check_name) in damage::changed_rows() {
        let damaged = damage::DamagedRows { rows: &rows, changed };
        let report = check(&log, &damaged);
        assert_eq!(found_by(&report), [check_name], "{changed:?}\n{report}");
    }
}

#[test]
fn a_view_of_another_day_is_found() {
    let ((log, _), (_, rows)) = (day(9), day(10));
    let report = check(&log, &rows);
    for of in [Check::Balances, Check::Orders, Check::Fills, Check::Tape, Check::Candles, Check::Markets, Check::Chains]
    {
        differences(&report, of);
    }
    assert!(PARTITIONS > 1 && report.to_string().contains("DIFFER"));
}
