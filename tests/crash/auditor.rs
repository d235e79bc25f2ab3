//! The auditor finds what is wrong: a log is spoiled in one way after another.

use std::sync::Arc;

use orderledger_domain::terms::Side;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_tests::auditor::journal::{self, Answered, Asked};
use orderledger_tests::auditor::{Keys, Log, Record, audit};
use orderledger_tests::stages::{PARTITIONS, Stages, append, cancel, deposit, id, limit, outside};
use serde_json::json;

/// Two users trade, cancel, and ask too much.
fn traded() -> Log {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(1), &deposit("buyer", "USD", 1_000))]);
    append(&log, vec![outside(id(2), &deposit("seller", "AAPL", 100))]);
    for number in 0..6 {
        append(&log, vec![outside(id(10 + number), &limit("seller", &format!("s{number}"), Side::Sell, 3, 100_000))]);
        append(&log, vec![outside(id(20 + number), &limit("buyer", &format!("b{number}"), Side::Buy, 2, 100_000))]);
        // Else the cancel may come first.
        stages.settle(&log);
        append(&log, vec![outside(id(30 + number), &cancel("seller", &format!("s{number}")))]);
    }
    append(&log, vec![outside(id(40), &limit("buyer", "dear", Side::Buy, 1_000, 100_000))]);
    append(&log, vec![outside(id(1), &deposit("buyer", "USD", 1_000))]);
    stages.settle(&log);
    stages.stop();
    Log::of(&*log).unwrap()
}

fn text(record: &Record) -> String {
    String::from_utf8(record.value.clone().unwrap_or_default()).unwrap()
}

fn with(record: &Record, value: String) -> Record {
    Record { value: Some(value.into_bytes()), ..record.clone() }
}

/// How to spoil a record: all that matters of it are its topic, its text and what becomes of it.
type Spoiler = fn(&str, &Record, &str) -> Vec<Record>;

#[test]
fn a_log_of_the_stages_has_no_fault() {
    let audited = audit(&traded(), &Keys::default());
    assert!(audited.findings.is_empty(), "{}", audited.findings);
    assert!(audited.seen["OrderFilled"] >= 12 && audited.seen["OrderRejected"] == 1, "{:?}", audited.seen);
}

#[test]
fn every_spoiled_log_has_a_fault() {
    let spoilers: [(&str, Spoiler); 11] = [
        ("a fill is gone", |_, record, text| {
            if text.contains("OrderFilled") && text.contains("b3") { vec![] } else { vec![record.clone()] }
        }),
        ("a trade is gone", |_, record, text| {
            if text.contains("AAPL-6\"") && text.contains("TradeExecuted") { vec![] } else { vec![record.clone()] }
        }),
        ("an answer is gone", |topic, record, text| {
            if topic == "orders" && text.contains("OrderRejected") { vec![] } else { vec![record.clone()] }
        }),
        ("a copy for the book is gone", |topic, record, text| {
            if topic == "books" && text.contains("s5") && text.contains("OrderAccepted") {
                vec![]
            } else {
                vec![record.clone()]
            }
        }),
        ("a request is gone", |_, record, text| {
            if text.contains("OrderCreated") && text.contains("\"b2\"") { vec![] } else { vec![record.clone()] }
        }),
        ("a request was another", |_, record, text| {
            vec![with(
                record,
                text.replace("\"DepositMade\",\"timestamp\":\"2023", "\"DepositMade\",\"timestamp\":\"2123"),
            )]
        }),
        ("a deposit was less", |_, record, text| {
            vec![if text.contains("DepositMade") {
                with(record, text.replace("\"amount\":1000", "\"amount\":999"))
            } else {
                record.clone()
            }]
        }),
        ("a fee is taken", |_, record, text| vec![with(record, text.replace("\"fee\":0", "\"fee\":1"))]),
        ("a reserve is another", |topic, record, text| {
            vec![if topic == "orders" {
                with(record, text.replace("\"reserved\":20,", "\"reserved\":21,"))
            } else {
                record.clone()
            }]
        }),
        ("a key is another's", |topic, record, text| {
            vec![if topic == "orders" && text.contains("OrderCanceled") {
                Record { key: Some(b"thief".to_vec()), ..record.clone() }
            } else {
                record.clone()
            }]
        }),
        ("a stranger writes to the books", |topic, record, text| {
            let stranger = Record { offset: record.offset + 1000, ..with(record, "{}".to_owned()) };
            if topic == "books" && text.contains("s5") && text.contains("CancelAccepted") {
                vec![record.clone(), stranger]
            } else {
                vec![record.clone()]
            }
        }),
    ];
    let whole = traded();
    for (what, spoil) in spoilers {
        let spoiled = whole.changed(|topic, _, record| spoil(topic, record, &text(record)));
        assert_ne!(spoiled, whole, "{what}: nothing was spoiled");
        let findings = audit(&spoiled, &Keys::default()).findings;
        assert!(!findings.is_empty(), "{what}: nothing was found");
    }
}

#[test]
fn a_log_under_another_key_has_faults() {
    assert!(!audit(&traded(), &Keys { secret: [1; 16], ..Keys::default() }).findings.is_empty());
}

/// The journal of a client who deposited.
fn deposited(account: &str, key: &str, position: &str) -> Asked {
    let answer = Answered { at: 2, status: 201, replayed: false, body: json!({"position": position}) };
    Asked {
        account: account.to_owned(),
        key: key.to_owned(),
        event_type: "DepositMade",
        body: json!({"asset": "USD", "amount": "5"}),
        about: None,
        began: 1,
        answers: vec![answer],
    }
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_found_and_so_is_what_nobody_asked() {
    let log = traded();
    let mut audited = audit(&log, &Keys::default());
    journal::check(&[deposited("buyer", "gone", "orders-0@1")], &mut audited);
    let findings = audited.findings.to_string();
    assert!(findings.contains("acknowledged") && findings.contains("nobody asked"), "{findings}");
}

#[test]
fn an_answer_that_changed_and_one_out_of_order_are_found() {
    let mut asked = [deposited("alice", "first", ""), deposited("alice", "second", "")];
    // The second was asked when the first had its answer, and stands before it.
    asked[1].began = 3;
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    for asked in asked.iter().rev() {
        append(&log, vec![outside(asked.event_id().parse().unwrap(), &deposit("alice", "USD", 5))]);
    }
    stages.settle(&log);
    stages.stop();
    let log = Log::of(&*log).unwrap();
    let mut audited = audit(&log, &Keys::default());
    for asked in &mut asked {
        let request = &audited.story.requests[&("alice".to_owned(), asked.event_id())];
        asked.answers[0].body = json!({"position": format!("orders-{}@{}", request.partition, request.answer_offset)});
    }
    journal::check(&asked, &mut audited);
    assert!(audited.findings.to_string().contains("answered earlier"), "{}", audited.findings);
    let mut audited = audit(&log, &Keys::default());
    asked[0].answers[0].body = json!({"position": "orders-0@0,orders-1@0"});
    journal::check(&asked[..1], &mut audited);
    assert!(audited.findings.to_string().contains("doesn't stand"), "{}", audited.findings);
}
