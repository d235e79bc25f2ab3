//! Every kind of record that nobody can use: refused for its exact reason, noted among the dead letters, and passed.

use std::sync::Arc;

use bytes::Bytes;
use orderledger_domain::envelope::{self, MAX_VALUE_BYTES};
use orderledger_domain::event::{Event, NoticeHeader, RecordRefused, RulesVersion};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::terms::Side;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{EventLog, NewRecord, Record};

use crate::harness::{PARTITIONS, Stages, append, deposit, history, id, limit, outside, records, taken};

/// What is fed, and the reason that must come of it.
struct Kind {
    what: &'static str,
    record: NewRecord,
    reason: &'static str,
}

const ANOTHER_FORM: &str = "a field of another form";

fn good() -> NewRecord {
    outside(id(1), &limit("buyer", "b0", Side::Buy, 1, 10_000))
}

fn text() -> String {
    String::from_utf8(good().value.unwrap().to_vec()).unwrap()
}

fn with(value: impl Into<Bytes>) -> NewRecord {
    NewRecord { value: Some(value.into()), ..good() }
}

fn replaced(from: &str, to: &str) -> NewRecord {
    assert!(text().contains(from), "{from} in {}", text());
    with(text().replace(from, to).into_bytes())
}

/// A record of a derived type with a place in a stream that ends here.
fn forged(source: &str, sequence: u64, prev: &str) -> NewRecord {
    let home = of_key(b"buyer", PARTITIONS);
    let payload = format!(r#"{{"userId":"buyer","asset":"USD","amount":5,"requestId":"{}"}}"#, id(7));
    let metadata = format!(
        r#"{{"version":"2.0","cause":{{"topic":"{source}","partition":{home},"offset":0,"index":0}},"sequence":{sequence},"prev":"{prev}"}}"#
    );
    let value = format!(
        r#"{{"eventId":"{}","eventType":"AccountCredited","timestamp":"2023-11-14T22:13:20Z","payload":{payload},"metadata":{metadata}}}"#,
        id(8)
    );
    with(value.into_bytes())
}

fn kinds() -> Vec<Kind> {
    let kind = |what, record, reason| Kind { what, record, reason };
    let nested = |depth: usize| format!(r#"{{"deep":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let padded = |length: usize| text().replace("\"test\"", &format!("\"{}\"", "x".repeat(length)));
    let home = good().to;
    let elsewhere = Topic::Orders.at((home.partition + 1) % PARTITIONS);
    let keyed = |key: Option<&'static str>| NewRecord { key: key.map(Bytes::from), ..good() };
    vec![
        kind("not UTF-8", with(&b"{\"eventId\":\"\xff\xfe\"}"[..]), "not_utf8"),
        kind("not UTF-8, cut in a character", with([&text().as_bytes()[..5], b"\xc3"].concat()), "not_utf8"),
        kind("not JSON", with("{\"eventId\":"), "not_json"),
        kind("control characters", with(vec![0_u8; 9_000]), "not_json"),
        kind("nothing but space", with("   "), "not_json"),
        kind("empty", with(""), "not_json"),
        kind("two values", with(text() + "{}"), "not_json"),
        kind("wrong shape: no fields", with("{}"), "bad_envelope"),
        kind("wrong shape: an array", with("[1,2]"), "bad_envelope"),
        kind("wrong shape: a number", with("7"), "bad_envelope"),
        kind(ANOTHER_FORM, replaced("\"side\":\"buy\"", "\"side\":7"), "bad_envelope"),
        kind("a field that lacks", replaced("\"side\":\"buy\",", ""), "bad_envelope"),
        kind("an event id that is none", replaced(&id(1).to_string(), "first"), "bad_envelope"),
        kind("a time that is none", replaced("2023-11-14T22:13:20Z", "yesterday"), "bad_envelope"),
        kind(
            "an array in an object's place",
            replaced("\"metadata\":{\"version\":\"2.0\",\"source\":\"test\"}", "\"metadata\":[\"2.0\"]"),
            "bad_envelope",
        ),
        kind("deep nesting", with(nested(33)), "bad_envelope"),
        kind("very deep nesting", with(nested(400_000)), "bad_envelope"),
        kind("unknown type", replaced("OrderCreated", "OrderDreamt"), "unknown_type"),
        kind("unknown newer version", replaced("\"version\":\"2.0\"", "\"version\":\"3.0\""), "unknown_version"),
        kind("too large by a byte", with(padded(MAX_VALUE_BYTES + 1 - text().len() + 4)), "too_large"),
        kind("no value", NewRecord { value: None, ..good() }, "null_value"),
        kind("another's key", keyed(Some("somebody")), "wrong_key"),
        kind("no key", keyed(None), "wrong_key"),
        kind("an empty key", keyed(Some("")), "wrong_key"),
        kind("the key of control events", keyed(Some("_control")), "wrong_key"),
        kind("another partition", NewRecord { to: elsewhere, ..good() }, "wrong_partition"),
        kind("a time to come", replaced("2023-", "2093-"), "timestamp_in_future"),
        kind("the same field twice", replaced("\"quantity\":1", "\"quantity\":1,\"quantity\":1"), "duplicate_field"),
        kind(
            "the same field twice, deep in what nobody reads",
            replaced("\"test\"}", "\"test\",\"a\":{\"b\":1,\"\\u0062\":2}}"),
            "duplicate_field",
        ),
        kind("no shares", replaced("\"quantity\":1", "\"quantity\":0"), "out_of_range"),
        kind("too many shares", replaced("\"quantity\":1", "\"quantity\":100000000001"), "out_of_range"),
        kind("a price too high", replaced("\"price\":1", "\"price\":1000000.0001"), "out_of_range"),
        kind("a price of five decimals", replaced("\"price\":1", "\"price\":1.00001"), "out_of_range"),
        kind("a number that no machine holds", replaced("\"price\":1", "\"price\":1e400"), "out_of_range"),
        kind(
            "forged, without a place in a stream",
            with(text().replace("OrderCreated", "AccountCredited")),
            "not_in_stream",
        ),
        kind(
            "forged, far above the last of intake's stream",
            forged("orders", 99_999, "0123456789abcdef"),
            "not_in_stream",
        ),
        kind("forged, the first of matching's stream", forged("books", 1, "0123456789abcdef"), "not_in_stream"),
        kind("forged, of a stream that can't end here", forged("trades", 1, "0000000000000000"), "not_in_stream"),
        kind("an operator's decision", with(text().replace("OrderCreated", "ParkedDiscarded")), "not_in_stream"),
        kind(
            "its id was used for something else",
            outside(id(900), &limit("buyer", "b9", Side::Buy, 2, 10_000)),
            "id_reused",
        ),
        kind(
            "its order was another",
            outside(id(901), &limit("buyer", "first", Side::Buy, 2, 10_000)),
            "duplicate_order",
        ),
    ]
}

/// The stages after one order, under that version of the rules.
fn begin(rules_version: u32) -> (Arc<MemoryLog>, tempfile::TempDir, Stages) {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(800), &Event::RulesVersionRequested(RulesVersion { rules_version }))]);
    stages.settle(&log);
    append(&log, vec![outside(id(900), &deposit("buyer", "USD", 1_000))]);
    append(&log, vec![outside(id(902), &limit("buyer", "first", Side::Buy, 1, 10_000))]);
    stages.settle(&log);
    (log, dir, stages)
}

/// What intake said of the record there, in that topic.
fn said(log: &MemoryLog, topic: Topic, of: Position) -> Vec<(Record, RecordRefused)> {
    let all = records(log, topic.at(of.partition)).into_iter();
    let refused = all.filter_map(|record| match envelope::read(record.value.as_deref()).ok()?.event.ok()? {
        Event::RecordRefused(refused) if refused.position == of => Some((record, refused)),
        _ => None,
    });
    refused.collect()
}

fn check(rules_version: u32, expected_headers: Option<Vec<NoticeHeader>>) {
    let (log, _dir, stages) = begin(rules_version);
    let mut wrong = Vec::new();
    let headers = vec![("trace".to_owned(), Bytes::from_static(b"7")), ("raw".to_owned(), Bytes::from_static(b"\xff"))];
    for Kind { what, record, reason } in kinds() {
        let at = record.to.offset(log.end_offset(record.to).unwrap());
        append(&log, vec![NewRecord { headers: headers.clone(), ..record.clone() }]);
        stages.settle(&log);
        let (orders, notices) = (said(&log, Topic::Orders, at), said(&log, Topic::DeadLetters, at));
        assert_eq!((orders.len(), notices.len()), (1, 1), "{what}");
        let (answer, refused) = &orders[0];
        // Of a value of another form than its field's version 1 says that it is not JSON.
        let reason = if rules_version == 1 && what == ANOTHER_FORM { "not_json" } else { reason };
        if refused.reason.as_str() != reason {
            wrong.push(format!("{what}: {} ({}), not {reason}", refused.reason, refused.detail));
        }
        assert_eq!(answer.key.as_deref(), Some(&b"_refused"[..]), "{what}");
        let plain = RecordRefused::plain(at, refused.reason, refused.detail.clone(), refused.original);
        assert_eq!(*refused, plain, "{what}: what stands in orders says no more");
        let (_, notice) = &notices[0];
        let value = record.value.clone().unwrap_or_default();
        let digest = StreamKey::default().digest(record.key.as_deref(), record.value.as_deref());
        let lossy = String::from_utf8_lossy(&value[..value.len().min(4096)]).into_owned();
        let excerpt = lossy[..lossy.floor_char_boundary(4096)].to_owned();
        let expected = RecordRefused {
            digest: Some(format!("{digest:016x}")),
            excerpt: Some(excerpt),
            headers: expected_headers.clone(),
            ..plain
        };
        assert_eq!(*notice, expected, "{what}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // What came before stands, and what comes is taken all its way.
    append(&log, vec![outside(id(903), &limit("buyer", "last", Side::Buy, 1, 10_000))]);
    stages.settle(&log);
    assert_eq!(history(&log, "buyer").iter().filter(|event| **event == "OrderAccepted").count(), 2);
    assert_eq!(
        history(&log, "buyer").iter().filter(|event| **event == "AccountCredited").count(),
        1 + forged_credits()
    );
    stages.stop();
}

/// Forged credits stand in the log under the user's key as they were written.
fn forged_credits() -> usize {
    kinds()
        .iter()
        .filter(|kind| kind.record.value.as_ref().is_some_and(|value| contains(value, "AccountCredited")))
        .count()
}

fn contains(value: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(value).contains(text)
}

#[test]
fn every_kind_is_refused_for_its_reason_and_noted_and_stops_nothing() {
    check(1, None);
}

#[test]
fn from_version_2_of_the_rules_on_the_notice_holds_the_headers() {
    let none = NoticeHeader { name: String::new(), value: None, value_hex: None };
    let trace = NoticeHeader { name: "trace".to_owned(), value: Some("7".to_owned()), ..none.clone() };
    let raw = NoticeHeader { name: "raw".to_owned(), value_hex: Some("ff".to_owned()), ..none };
    check(2, Some(vec![trace, raw]));
}

#[test]
fn a_forged_record_at_or_below_the_last_of_its_stream_counts_as_a_repeat() {
    let (log, _dir, stages) = begin(2);
    let home = good().to;
    let duplicates = || stages.intake_progress.standing().partitions[&home].accounting.duplicate;
    let before = duplicates();
    for (place, sequence) in [1, 2].into_iter().enumerate() {
        let at = home.offset(log.end_offset(home).unwrap());
        append(&log, vec![forged("orders", sequence, "0123456789abcdef")]);
        stages.settle(&log);
        assert_eq!(said(&log, Topic::Orders, at).len() + said(&log, Topic::DeadLetters, at).len(), 0);
        assert_eq!(duplicates(), before + place as u64 + 1);
    }
    stages.stop();
}

#[test]
fn a_forged_record_with_the_next_number_of_its_stream_is_refused() {
    let (log, _dir, stages) = begin(2);
    let home = good().to;
    let own = taken(&log, home).into_iter().filter_map(|envelope| envelope.stamp);
    let own = own.filter(|stamp| stamp.cause.position.topic_partition() == home);
    let next = own.map(|stamp| stamp.sequence).max().unwrap() + 1;
    let at = home.offset(log.end_offset(home).unwrap());
    append(&log, vec![forged("orders", next, "0123456789abcdef")]);
    stages.settle(&log);
    let (_, refused) = said(&log, Topic::Orders, at).pop().unwrap();
    assert_eq!((refused.reason.as_str(), refused.detail.as_str()), ("not_in_stream", "not a record that intake wrote"));
    stages.stop();
}

#[test]
fn headers_of_any_size_and_bytes_stop_nothing() {
    let (log, _dir, stages) = begin(2);
    let long = "\0".repeat(200_000);
    for (headers, cut) in [
        (vec![(long.clone(), Bytes::from(long.clone()))], 1),
        (vec![("h".to_owned(), Bytes::from(vec![0xff; 200_000]))], 1),
        (vec![("h".to_owned(), Bytes::from_static(b"v")); 5_000], 5_000 - 32),
    ] {
        let at = good().to.offset(log.end_offset(good().to).unwrap());
        append(&log, vec![NewRecord { headers, value: Some(Bytes::from(vec![0_u8; MAX_VALUE_BYTES])), ..good() }]);
        stages.settle(&log);
        let (record, notice) = said(&log, Topic::DeadLetters, at).pop().unwrap();
        assert_eq!(notice.headers_cut, Some(cut));
        assert!(record.value.unwrap().len() < 64 * 1024);
    }
    stages.stop();
}
