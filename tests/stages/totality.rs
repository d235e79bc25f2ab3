//! No outside record stops a stage, whatever stands in it: neither what it says nor what is answered outgrows the log.

use std::sync::Arc;

use bytes::Bytes;
use orderledger_domain::envelope::{self, MAX_VALUE_BYTES};
use orderledger_domain::event::{Event, EventType};
use orderledger_domain::position::Topic;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::terms::Side;
use orderledger_store::event_log::NewRecord;
use orderledger_store::event_log::memory::MemoryLog;

use crate::harness::{PARTITIONS, Stages, append, deposit, history, id, limit, outside, taken};

/// After that record the stages still take an order all its way to the book.
fn check_goes_on(record: NewRecord) -> Vec<envelope::Envelope> {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    let partition = record.to;
    assert!(record.value.as_ref().unwrap().len() <= MAX_VALUE_BYTES);
    append(&log, vec![record]);
    append(&log, vec![outside(id(100), &deposit("buyer", "USD", 1_000))]);
    append(&log, vec![outside(id(101), &limit("buyer", "b1", Side::Buy, 3, 1_000_000))]);
    stages.settle(&log);
    assert_eq!(history(&log, "buyer").last(), Some(&"OrderAccepted"));
    let booked = (0..PARTITIONS).flat_map(|partition| taken(&log, Topic::Books.at(partition)));
    assert_eq!(booked.filter(|booked| booked.event_type == EventType::OrderAccepted).count(), 1);
    taken(&log, partition)
}

#[test]
fn a_refusal_does_not_repeat_a_large_value() {
    let good = outside(id(1), &limit("buyer", "b0", Side::Buy, 1, 1));
    let text = String::from_utf8(good.value.clone().unwrap().to_vec()).unwrap();
    let room = MAX_VALUE_BYTES - text.len();
    let long = text.replace("\"side\":\"buy\"", &format!("\"side\":\"{}\"", "x".repeat(room)));
    let answers = check_goes_on(NewRecord { value: Some(long.into_bytes().into()), ..good });
    assert_eq!(answers[0].event_type, EventType::RecordRefused);
}

#[test]
fn a_refusal_names_its_reason_whatever_the_value_says() {
    let good = outside(id(1), &limit("buyer", "b0", Side::Buy, 1, 1));
    let text = String::from_utf8(good.value.clone().unwrap().to_vec()).unwrap();
    let text = text.replace("\"side\":\"buy\"", "\"side\":\"out of range: quantity\"");
    let answers = check_goes_on(NewRecord { value: Some(text.into_bytes().into()), ..good });
    let Ok(Event::RecordRefused(refused)) = &answers[0].event else { panic!("{answers:?}") };
    assert_eq!(refused.reason, RefuseReason::BadEnvelope, "{}", refused.detail);
}

#[test]
fn a_session_close_of_too_many_symbols_is_refused() {
    let begin = format!(
        "{{\"eventId\":\"{}\",\"eventType\":\"SessionCloseRequested\",\"timestamp\":\"2023-11-14T22:13:20Z\",\
         \"payload\":{{\"symbols\":[\"AAPL\"",
        id(1)
    );
    let end = "]},\"metadata\":{\"version\":\"2.0\"}}";
    let room = MAX_VALUE_BYTES - begin.len() - end.len();
    let value = format!("{begin}{}{end}", ",\"AAPL\"".repeat(room / 7));
    let key = Some(Bytes::from_static(b"_control"));
    let close = NewRecord { to: Topic::Orders.at(0), key, value: Some(value.into_bytes().into()), headers: Vec::new() };
    let answers = check_goes_on(close);
    assert_eq!(answers[0].event_type, EventType::RecordRefused);
}
