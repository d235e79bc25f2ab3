//! The bytes of every event, for ever: a change here is a change of what stands in logs.

use std::collections::BTreeSet;

use orderledger_domain::envelope::{self, Stamp};
use orderledger_domain::event::{Event, EventType, Origin};
use orderledger_domain::ids::KeyId;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;

use crate::every_event::Parts;

const SEED: &str = r#"{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","quantity":100,"price":150.25},"metadata":{"version":"1.0","source":"order-service"}}"#;

fn moment() -> Timestamp {
    Timestamp::parse("2025-01-15T10:30:00.120Z").unwrap()
}

#[test]
fn every_event_type_has_a_golden_value() {
    let types: BTreeSet<EventType> = Parts::golden().every_event().iter().map(|event| event.event_type()).collect();
    assert_eq!(types, EventType::ALL.iter().copied().collect(), "a type is missing in Parts::every_event");
}

#[test]
fn every_event_is_written_to_these_bytes() {
    let parts = Parts::golden();
    let values = parts.every_event().into_iter().map(|event| parts.value(&event, moment()));
    let lines: Vec<String> = values.map(|value| String::from_utf8(value).unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"DepositMade","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"USD","amount":20000.0001},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AccountCredited","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"USD","amount":20000.0001,"requestId":"12345678-9abc-4def-8123-456789abcdef"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"WithdrawalRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"AAPL","amount":20000.0001,"withdrawalId":"w-1"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AccountDebited","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","withdrawalId":"w-2","asset":"AAPL","amount":20000.0001,"requestId":"12345678-9abc-4def-8123-456789abcdef"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"WithdrawalRejected","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","withdrawalId":"w-2","asset":"AAPL","amount":20000.0001,"reason":"insufficient_funds","requestId":"12345678-9abc-4def-8123-456789abcdef"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"OrderCreated","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100,"price":150.25,"maxCost":15000,"clientOrderId":"a-1"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderAccepted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100,"price":150.25,"maxCost":15000,"clientOrderId":"a-1","reserved":20000.0001,"makerBps":10,"takerBps":25},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderRejected","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100,"price":150.25,"maxCost":15000,"clientOrderId":"a-1","reason":"insufficient_funds"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"OrderCancelRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"CancelAccepted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","created":"orders-3@1842"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"OrderAmendRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","quantity":100,"price":150.25},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AmendAccepted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","quantity":100,"price":150.25,"extraReserved":20000.0001,"created":"orders-3@1842"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderCanceled","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","canceledQuantity":40},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"CancelRejected","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","reason":"insufficient_funds"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderAmended","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","quantity":100,"price":150.25,"extraReserved":20000.0001,"leavesQuantity":40},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AmendRejected","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","reason":"insufficient_funds","extraReserved":20000.0001},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderFilled","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","tradeId":"AAPL-7","price":150.25,"quantity":100,"fee":20000.0001,"liquidity":"maker","cumQuantity":100,"leavesQuantity":40},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderExpired","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","reason":"session_closed","expiredQuantity":40},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"DuplicateIgnored","timestamp":"2025-01-15T10:30:00.120Z","payload":{"position":"orders-3@1842","original":"orders-3@921"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"RecordRefused","timestamp":"2025-01-15T10:30:00.120Z","payload":{"position":"orders-3@1842","reason":"id_reused","detail":"a \"quoted\" ü\n","original":"orders-3@921","digest":"0000000000000732","excerpt":"a \"quoted\" ü\n"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"TradeExecuted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"tradeId":"AAPL-1842","symbol":"AAPL","bookSeq":1842,"price":150.25,"quantity":100,"takerSide":"sell","buyUserId":"67890","buyOrderId":"12345","sellUserId":"u.2","sellOrderId":"12345"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"FeeScheduleRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"makerBps":10,"takerBps":25},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"FeeScheduleSet","timestamp":"2025-01-15T10:30:00.120Z","payload":{"makerBps":10,"takerBps":25},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"RulesVersionRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"rulesVersion":1},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"RulesVersionSet","timestamp":"2025-01-15T10:30:00.120Z","payload":{"rulesVersion":1},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"SessionCloseRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"symbols":["AAPL"]},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"SessionClosed","timestamp":"2025-01-15T10:30:00.120Z","payload":{"symbols":null},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"EntityParked","timestamp":"2025-01-15T10:30:00.120Z","payload":{"projection":"settlement","entity":"user:67890","position":"orders-3@1842","error":"a \"quoted\" ü\n"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"ParkedRetried","timestamp":"2025-01-15T10:30:00.120Z","payload":{"projection":"settlement","position":"orders-3@1842","reason":"a \"quoted\" ü\n","actor":"op"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"ParkedDiscarded","timestamp":"2025-01-15T10:30:00.120Z","payload":{"projection":"settlement","position":"orders-3@1842","reason":"a \"quoted\" ü\n","actor":"op"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"DifferenceAccepted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"action":"a \"quoted\" ü\n","subject":"a \"quoted\" ü\n","reason":"a \"quoted\" ü\n","actor":"op"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"OperatorActed","timestamp":"2025-01-15T10:30:00.120Z","payload":{"action":"a \"quoted\" ü\n","subject":"a \"quoted\" ü\n","reason":"a \"quoted\" ü\n","actor":"op"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"StreamKeyRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"keyId":"2026-11"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"StreamKeySet","timestamp":"2025-01-15T10:30:00.120Z","payload":{"keyId":"2026-11"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"StreamKeyTaken","timestamp":"2025-01-15T10:30:00.120Z","payload":{"keyId":"2026-11"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"AdjustmentRequested","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"AAPL","direction":"credit","amount":20000.0001,"reason":"a \"quoted\" ü\n","corrects":"orders-3@1842"},"metadata":{"version":"2.0","source":"test"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AccountAdjusted","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"AAPL","direction":"debit","amount":20000.0001,"reason":"a \"quoted\" ü\n","requestId":"12345678-9abc-4def-8123-456789abcdef"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AdjustmentRejected","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"AAPL","direction":"credit","amount":20000.0001,"reason":"a \"quoted\" ü\n","corrects":"orders-3@1842","rejection":"insufficient_funds","requestId":"12345678-9abc-4def-8123-456789abcdef"},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567"}}
"##);
}

#[test]
fn what_is_absent_is_not_written() {
    let absent = Parts { price: None, max_cost: None, client_order: None, withdrawal: None, ..Parts::golden() };
    let has_options = |kind| {
        use EventType::{OrderAccepted, OrderAmendRequested, OrderCreated, OrderRejected, WithdrawalRequested};
        [WithdrawalRequested, OrderCreated, OrderAccepted, OrderRejected, OrderAmendRequested].contains(&kind)
    };
    let events = absent.every_event().into_iter().filter(|event| has_options(event.event_type()));
    let lines: Vec<_> = events.map(|event| String::from_utf8(envelope::payload_bytes(&event)).unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r##"
{"userId":"67890","asset":"AAPL","amount":20000.0001}
{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100}
{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100,"reserved":20000.0001,"makerBps":10,"takerBps":25}
{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","orderType":"limit","timeInForce":"day","postOnly":true,"quantity":100,"reason":"insufficient_funds"}
{"orderId":"12345","userId":"67890","quantity":100}
"##);
}

#[test]
fn every_event_is_read_back_as_it_was() {
    let parts = Parts::golden();
    for event in parts.every_event() {
        let read = envelope::read(Some(&parts.value(&event, moment()))).unwrap();
        let derived = event.event_type().origin() == Origin::Derived;
        let id = if derived { envelope::derived_id(parts.stamp().cause) } else { parts.id };
        assert_eq!((read.event_id, read.event_type, read.timestamp), (id, event.event_type(), moment()));
        let takes = match &event {
            Event::StreamKeyTaken(taken) => Some(taken.key_id),
            _ => None,
        };
        assert_eq!(read.stamp, derived.then(|| Stamp { takes, ..parts.stamp() }));
        assert_eq!(read.event, Ok(event));
    }
}

/// One byte of every record is another, or missing, or there twice: the quick reader of what the ledger writes never has an
/// opinion of its own.
#[test]
fn the_quick_reader_reads_what_the_full_one_reads_of_every_damaged_record() {
    let parts = Parts::golden();
    for event in parts.every_event() {
        let whole = String::from_utf8(parts.value(&event, moment())).unwrap();
        let others = (0..whole.len()).flat_map(|at| {
            let (before, after) = whole.split_at_checked(at)?;
            let first = after.chars().next()?;
            let rest = &after[first.len_utf8()..];
            let replaced =
                ["0", "9", " ", "\"", "\\", ",", "}", "-", ".", "A", "e", ""].map(|by| format!("{before}{by}{rest}"));
            Some(replaced.into_iter().chain([format!("{before}{first}{after}")]))
        });
        for text in others.flatten() {
            assert_eq!(envelope::read(Some(text.as_bytes())), envelope::read_any(&text), "{text}");
        }
    }
}

#[test]
fn the_seed_record_is_a_good_till_canceled_limit_buy() {
    let read = envelope::read(Some(SEED.as_bytes())).unwrap();
    assert_eq!((read.event_type, read.stamp), (EventType::OrderCreated, None));
    assert_eq!(read.timestamp.to_string(), "2025-01-15T10:30:00Z");
    let upcast = String::from_utf8(envelope::payload_bytes(&read.event.unwrap())).unwrap();
    insta::assert_snapshot!(upcast, @r##"{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"buy","orderType":"limit","timeInForce":"gtc","postOnly":false,"quantity":100,"price":150.25}"##);
}

#[test]
fn version_1_ignores_what_only_version_2_knows() {
    let with_side = SEED.replace(r#""price":"#, r#""side":"sell","orderType":"market","price":"#);
    let plain = envelope::read(Some(SEED.as_bytes())).unwrap();
    assert_eq!(envelope::read(Some(with_side.as_bytes())).unwrap(), plain);
}

#[test]
fn a_sealed_record_says_with_which_key() {
    let parts = Parts::golden();
    let event = &parts.every_event()[0];
    let stamp = Stamp { key: KeyId::new("2026-11").ok(), ..parts.stamp() };
    let payload = envelope::payload_bytes(event);
    let mut value = envelope::write_derived(EventType::AccountCredited, &payload, moment(), &stamp, "intake");
    assert_eq!(envelope::read(Some(&value)).unwrap().stamp, Some(stamp));
    let id = stamp.key.unwrap();
    let key = StreamKey::ring((KeyId::FIRST, None), vec![(id, [7; 16])]).unwrap();
    let target = orderledger_domain::position::Topic::Orders.at(3);
    assert!(key.seal(id, target, b"67890", &mut value));
    assert_eq!(key.check(stamp, target, Some(b"67890"), Some(&value)), stamp);
    insta::assert_snapshot!(String::from_utf8(value).unwrap(), @r##"{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"AccountCredited","timestamp":"2025-01-15T10:30:00.120Z","payload":{"userId":"67890","asset":"USD","amount":20000.0001},"metadata":{"version":"2.0","source":"intake","cause":{"topic":"orders","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567","key":"2026-11","seal":"9e7588c101d41e05"}}"##);
}
