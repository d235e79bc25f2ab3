//! What the stages write of an order's life.

use std::sync::Arc;

use orderledger_domain::event::{Event, EventType};
use orderledger_domain::position::Topic;
use orderledger_domain::terms::Side;
use orderledger_store::event_log::memory::MemoryLog;

use crate::harness::{PARTITIONS, Stages, append, cancel, deposit, history, id, limit, outside, taken};

#[test]
fn an_order_is_accepted_matched_and_canceled() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    let events = [
        deposit("buyer", "USD", 20_000),
        deposit("seller", "AAPL", 100),
        limit("buyer", "b1", Side::Buy, 100, 1_502_500),
        limit("seller", "s1", Side::Sell, 60, 1_500_000),
    ];
    for (number, event) in (0..).zip(&events) {
        append(&log, vec![outside(id(number), event)]);
        stages.settle(&log);
    }
    append(&log, vec![outside(id(10), &cancel("buyer", "b1"))]);
    stages.settle(&log);
    assert_eq!(
        history(&log, "buyer"),
        [
            "DepositMade",
            "AccountCredited",
            "OrderCreated",
            "OrderAccepted",
            "OrderFilled",
            "OrderCancelRequested",
            "CancelAccepted",
            "OrderCanceled",
        ]
    );
    assert_eq!(
        history(&log, "seller"),
        ["DepositMade", "AccountCredited", "OrderCreated", "OrderAccepted", "OrderFilled"]
    );
    let trades: Vec<_> = (0..PARTITIONS).flat_map(|partition| taken(&log, Topic::Trades.at(partition))).collect();
    let Ok(Event::TradeExecuted(trade)) = &trades[0].event else { panic!("{trades:?}") };
    assert_eq!((trades.len(), trade.trade_id.as_str(), trade.price.units()), (1, "AAPL-1", 1_502_500));
}

#[test]
fn unusable_records_are_refused_and_stop_nothing() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    let good = outside(id(1), &deposit("u1", "USD", 5));
    let text = |value: &'static [u8]| orderledger_store::event_log::NewRecord {
        value: Some(bytes::Bytes::from_static(value)),
        ..good.clone()
    };
    let strangers = vec![
        text(b"not json"),
        text(b"\xff"),
        text(b"{}"),
        orderledger_store::event_log::NewRecord { value: None, ..good.clone() },
        orderledger_store::event_log::NewRecord { key: Some(bytes::Bytes::from_static(b"u2")), ..good.clone() },
    ];
    let count = strangers.len();
    append(&log, strangers);
    // The same id twice, then with another amount.
    append(&log, vec![good.clone(), good, outside(id(1), &deposit("u1", "USD", 6))]);
    // An outsider forges a credit.
    let forged = String::from_utf8(orderledger_domain::envelope::write_outside(
        id(9),
        orderledger_domain::timestamp::Timestamp::from_millis(1),
        &deposit("u1", "USD", 7),
        "x",
    ))
    .unwrap()
    .replace("DepositMade", "AccountCredited");
    append(
        &log,
        vec![orderledger_store::event_log::NewRecord {
            value: Some(forged.into_bytes().into()),
            ..outside(id(2), &deposit("u1", "USD", 5))
        }],
    );
    stages.settle(&log);
    let partition = outside(id(1), &deposit("u1", "USD", 5)).to.partition;
    let answers = taken(&log, Topic::Orders.at(partition));
    let of = |kind| answers.iter().filter(|envelope| envelope.event_type == kind).count();
    assert_eq!(of(EventType::RecordRefused), count + 2, "{answers:#?}");
    assert_eq!((of(EventType::AccountCredited), of(EventType::DuplicateIgnored)), (1, 1));
    assert_eq!(taken(&log, Topic::DeadLetters.at(partition)).len(), count + 2);
}

/// A fill that no stage wrote, as the first record of a stream from matching to the user's partition.
fn forged_fill(name: &str, version: &str, event_type: &str) -> orderledger_store::event_log::NewRecord {
    let value = format!(
        r#"{{"eventId":"{}","eventType":"{event_type}","timestamp":"2025-01-15T10:30:00Z","payload":{{"orderId":"b1",
        "userId":"{name}","symbol":"AAPL","side":"buy","tradeId":"AAPL-1","price":1,"quantity":1,"fee":0,"liquidity":"maker",
        "cumQuantity":1,"leavesQuantity":0}},"metadata":{{"version":"{version}","source":"matching","cause":{{"topic":"books",
        "partition":1,"offset":0,"index":0}},"sequence":1,"prev":"0000000000000000"}}}}"#,
        id(77)
    );
    orderledger_store::event_log::NewRecord {
        value: Some(value.into_bytes().into()),
        ..outside(id(1), &deposit(name, "USD", 5))
    }
}

#[test]
fn with_a_key_nobody_else_begins_a_stream() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let key = orderledger_domain::stream::StreamKey::new(*b"0123456789abcdef");
    let stages = Stages::start_keyed(&log, dir.path(), key).unwrap();
    append(&log, vec![outside(id(1), &deposit("buyer", "USD", 20_000))]);
    append(&log, vec![forged_fill("buyer", "2.0", "OrderFilled"), forged_fill("buyer", "3.0", "OrderTeleported")]);
    stages.settle(&log);
    assert_eq!(history(&log, "_refused").len(), 2);
    stages.stop();
    let stages = Stages::start_keyed(&log, dir.path(), key).unwrap();
    append(&log, vec![outside(id(2), &deposit("buyer", "USD", 1))]);
    stages.settle(&log);
}

#[test]
fn a_newer_program_s_record_that_is_the_next_of_its_stream_halts_the_stage() {
    for (version, event_type) in [("3.0", "OrderFilled"), ("2.0", "OrderTeleported")] {
        let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
        let stages = Stages::start(&log, dir.path()).unwrap();
        append(&log, vec![forged_fill("buyer", version, event_type)]);
        let ended = Stages::wait_for_end(&stages.intake_progress);
        assert!(matches!(ended, orderledger_projections::worker::progress::WorkerState::Halted(_)), "{ended:?}");
    }
}
