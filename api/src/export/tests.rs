//! A small export against every byte that could be another.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use bytes::Bytes;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::audit::Chain;
use orderledger_store::event_log::{AppenderKind, EventLog, MemoryLog, NewRecord};
use serde_json::json;

use super::{Checked, Saved, State, Stretch, check, export};
use crate::rows::HeadRow;

const ORDERS: TopicPartition = TopicPartition { topic: Topic::Orders, partition: 0 };
const TRADES: TopicPartition = TopicPartition { topic: Topic::Trades, partition: 1 };

fn log(orders: usize) -> MemoryLog {
    let log = MemoryLog::new(2).unwrap();
    let bytes = |text: &[u8]| Some(Bytes::copy_from_slice(text));
    let mut batch: Vec<NewRecord> = (0..orders)
        .map(|number| {
            let value = format!("{{\"number\": {number}, \"odd\":\"ü\\n\u{1}\"}}");
            NewRecord { to: ORDERS, key: bytes(b"alice"), value: bytes(value.as_bytes()), headers: Vec::new() }
        })
        .collect();
    let headers =
        vec![("text".to_owned(), Bytes::from_static(b"v")), ("bytes".to_owned(), Bytes::from_static(&[0xff]))];
    batch.push(NewRecord { to: TRADES, key: None, value: bytes(&[0xff, 0, 7]), headers });
    batch.push(NewRecord { to: TRADES, key: bytes(&[0xfe]), value: None, headers: Vec::new() });
    let appender = log.appender(AppenderKind::Client).unwrap();
    let (sender, delivered) = std::sync::mpsc::channel();
    appender.append(batch, Box::new(move |outcome| sender.send(outcome).unwrap())).unwrap();
    delivered.recv().unwrap().unwrap();
    log
}

fn stretch(log: &MemoryLog, of: TopicPartition, from: u64) -> Stretch {
    Stretch { of, from, to: log.end_offset(of).unwrap() }
}

fn file(log: &MemoryLog, from: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let stretches = [stretch(log, ORDERS, from), stretch(log, Topic::Books.at(0), 0), stretch(log, TRADES, 0)];
    export(log, &stretches, &mut file, &mut |_| ()).unwrap();
    file
}

fn checked(file: &[u8]) -> Checked {
    check(&mut &*file, &Saved::default()).unwrap()
}

/// The head of `orders-0` at so many records, as an answer of the server says it.
fn answer(log: &MemoryLog, count: usize) -> String {
    let mut chain = Chain::default();
    for record in log.read(ORDERS, 0, count).unwrap() {
        chain.take(record.offset, record.key.as_deref(), record.value.as_deref(), |_, _| ());
    }
    json!({"data": [HeadRow::of_chain(ORDERS, &chain)], "nextCursor": null}).to_string()
}

fn compared(file: &[u8], answer: &str) -> Checked {
    let mut saved = Saved::default();
    saved.take(answer).unwrap();
    check(&mut &*file, &saved).unwrap()
}

#[test]
fn an_export_is_intact_and_a_part_is_bounded() {
    let log = log(300);
    let whole = checked(&file(&log, 0));
    assert_eq!((whole.state, whole.records, whole.parts.len(), &whole.broken), (State::Intact, 302, 3, &None));
    assert_eq!((whole.parts[0].head.count, whole.parts[1].head.count, whole.parts[2].head.count), (300, 0, 2));
    for from in [1, 255, 256, 299, 300] {
        let part = checked(&file(&log, from));
        assert_eq!((part.state, part.records, &part.broken), (State::Bounded, 302 - from, &None), "{from}");
        assert_eq!(part.parts[0].head, whole.parts[0].head, "{from}");
    }
}

#[test]
fn every_byte_that_is_another_is_found() {
    let file = file(&log(4), 0);
    for at in 0..file.len() {
        for other in [file[at] ^ 1, file[at] ^ 0x20, b'0', b'\n'] {
            let mut changed = file.clone();
            changed[at] = other;
            let state = checked(&changed).state;
            assert_eq!(state == State::Broken, other != file[at], "byte {at} became {other}");
        }
    }
}

#[test]
fn a_file_that_was_cut_or_that_goes_on_is_found() {
    let file = file(&log(4), 0);
    for length in 0..file.len() {
        assert_eq!(checked(&file[..length]).state, State::Broken, "{length}");
    }
    for more in ["\n", " ", "{}\n"] {
        assert_eq!(checked(&[&file, more.as_bytes()].concat()).state, State::Broken);
    }
    assert_eq!(checked(&file).state, State::Intact);
}

#[test]
fn lines_swapped_doubled_or_removed_are_found_where_they_are() {
    let file = String::from_utf8(file(&log(4), 0)).unwrap();
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    // The first line, the part's, then the records of orders-0.
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        for (what, changed) in [("removed", removed), ("doubled", doubled)] {
            let found = checked(changed.concat().as_bytes()).broken.unwrap();
            let line = at + if what == "removed" { 1 } else { 2 };
            assert_eq!(found.line, u64::try_from(line).unwrap(), "{what} {at}");
        }
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            let found = checked(swapped.concat().as_bytes()).broken.unwrap();
            assert_eq!(found.line, u64::try_from(at + 1).unwrap(), "{at} and {other}");
        }
    }
    let changed = file.replacen("\\\"number\\\": 2", "\\\"number\\\": 3", 1);
    assert_ne!(changed, file);
    let found = checked(changed.as_bytes()).broken.unwrap();
    assert_eq!(found.position.as_deref(), Some("orders-0@2"));
}

#[test]
fn who_writes_another_history_is_found_by_a_saved_head() {
    let (ours, longer) = (log(4), log(300));
    let whole = file(&ours, 0);
    let equal = compared(&whole, &answer(&ours, 4));
    assert_eq!((equal.state, equal.heads_saved, equal.heads_equal), (State::Intact, 1, 1));
    assert_eq!(compared(&whole, &answer(&ours, 2)).heads_equal, 1);
    // A part that ends in the saved head goes on from what is not in it.
    assert_eq!(compared(&file(&ours, 3), &answer(&ours, 4)).heads_equal, 1);
    // A head of later is no head of this file.
    let found = compared(&whole, &answer(&longer, 5)).broken.unwrap();
    assert!(found.detail.contains("counts 5 records"), "{found:?}");
    let forged = answer(&ours, 3).replace("\"sha256\":\"", "\"sha256\":\"0");
    assert!(Saved::default().take(&forged).is_err(), "65 digits are no hash");
    let other = answer(&ours, 3).replacen("\"count\":3", "\"count\":2", 1);
    let found = compared(&whole, &other).broken.unwrap();
    assert_eq!(found.position.as_deref(), Some("orders-0@1"));
    for bad in ["", "[]", "{}", "{\"data\":[{}]}", "{\"data\":[{\"topic\":\"orders\",\"partition\":0,\"count\":-1}]}"] {
        assert!(Saved::default().take(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_export_is_said_without_a_panic() {
    for text in
        ["", "\n", "{}\n", "{\"end\":{}}\n", "\u{0}\n", "not an export at all, but a line that is long enough\n"]
    {
        assert_eq!(checked(text.as_bytes()).state, State::Broken, "{text:?}");
    }
}
