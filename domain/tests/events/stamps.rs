//! A record's place in a stream: read in one form alone, and of records that this program doesn't know too.

use orderledger_domain::envelope::{self, MAX_VALUE_BYTES, Refusal, Stamp};
use orderledger_domain::event::{Event, EventType, OrderCreated};
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::terms::{OrderType, TimeInForce};
use orderledger_domain::timestamp::Timestamp;

use crate::every_event::Parts;

/// A record as intake writes it.
fn derived() -> String {
    let parts = Parts::golden();
    let payload = envelope::payload_bytes(&parts.every_event()[1]);
    let moment = Timestamp::default();
    let value = envelope::write_derived(EventType::AccountCredited, &payload, moment, &parts.stamp(), "intake");
    String::from_utf8(value).unwrap()
}

fn with(from: &str, to: &str) -> String {
    assert!(derived().contains(from), "{from}");
    derived().replacen(from, to, 1)
}

fn stamp(value: &str) -> Option<Stamp> {
    envelope::read(Some(value.as_bytes())).unwrap().stamp
}

#[test]
fn a_stamp_of_any_other_form_is_none() {
    assert_eq!(stamp(&derived()), Some(Parts::golden().stamp()));
    for (from, to) in [
        ("\"00abcdef01234567\"", "\"00ABCDEF01234567\""),
        ("\"00abcdef01234567\"", "\"0abcdef01234567\""),
        ("\"00abcdef01234567\"", "\"000abcdef01234567\""),
        ("\"00abcdef01234567\"", "\"+0abcdef01234567\""),
        ("\"00abcdef01234567\"", "7"),
        ("\"sequence\":1843", "\"sequence\":\"1843\""),
        ("\"sequence\":1843", "\"sequel\":1843"),
        ("\"orders\"", "\"order\""),
        ("\"index\":1}", "\"index\":1,\"index\":1}"),
        ("\"prev\":\"00abcdef01234567\"", "\"prev\":\"00abcdef01234567\",\"key\":\"\""),
    ] {
        assert_eq!(stamp(&with(from, to)), None, "{to}");
    }
    let outside = with("AccountCredited", "DepositMade");
    assert_eq!(stamp(&outside), None, "who may write this has no stream");
}

#[test]
fn a_newer_programs_record_has_its_place_and_an_outsiders_has_none() {
    let unknown = |value: &str| {
        let refusal = envelope::read(Some(value.as_bytes())).unwrap_err();
        (refusal.reason, envelope::stamp_of_unknown(Some(value.as_bytes()), &refusal))
    };
    let place = Some(Parts::golden().stamp());
    assert_eq!(unknown(&with("AccountCredited", "AccountTeleported")), (RefuseReason::UnknownType, place));
    assert_eq!(unknown(&with("\"2.0\"", "\"3.0\"")), (RefuseReason::UnknownVersion, place));
    let outside = with("\"2.0\"", "\"3.0\"").replacen("AccountCredited", "DepositMade", 1);
    assert_eq!(unknown(&outside), (RefuseReason::UnknownVersion, None));
    assert_eq!(unknown(&with("1970-01-01T00:00:00Z", "yesterday")), (RefuseReason::BadEnvelope, None));
}

#[test]
fn a_value_may_be_of_the_largest_size() {
    let mut value = derived().into_bytes();
    value.resize(1_048_576, b' ');
    assert_eq!(envelope::read(Some(&value)).map(|read| read.event_type), Ok(EventType::AccountCredited));
    value.push(b' ');
    let refusal = envelope::read(Some(&value)).unwrap_err();
    assert_eq!(refusal.to_string(), format!("too_large: 1048577 bytes are more than {MAX_VALUE_BYTES}"));
}

#[test]
fn of_a_long_detail_the_beginning_is_kept() {
    let detail = |detail: String| Refusal::new(RefuseReason::NotJson, detail).detail;
    assert_eq!(detail("x".repeat(256)), "x".repeat(256));
    assert_eq!(detail("x".repeat(257)), format!("{}…", "x".repeat(256)));
    assert_eq!(detail(format!("x{}", "ü".repeat(128))), format!("x{}…", "ü".repeat(127)), "whole characters");
    let unknown = Refusal::unknown_type(&"x".repeat(65));
    assert_eq!(unknown.to_string(), format!("unknown_type: no event type {}", "x".repeat(64)));
}

#[test]
fn an_order_that_says_no_time_in_force_has_the_one_of_its_type() {
    let Event::OrderCreated(golden) = Parts::golden().every_event()[5].clone() else { panic!("another event") };
    for (order_type, time_in_force, expected) in [
        (OrderType::Limit, None, TimeInForce::Gtc),
        (OrderType::Market, None, TimeInForce::Ioc),
        (OrderType::Market, Some(TimeInForce::Fok), TimeInForce::Fok),
    ] {
        let created = OrderCreated { order_type, time_in_force, ..golden.clone() };
        assert_eq!(created.terms().time_in_force, expected);
    }
}
