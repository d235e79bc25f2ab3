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
