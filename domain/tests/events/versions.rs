//! Records of every version: the golden corpus, what readers make of versions that came later, and what is carried.

use std::collections::BTreeSet;

use orderledger_domain::envelope::{self, Metadata, Refusal};
use orderledger_domain::event::{EventType, Origin};
use orderledger_domain::ids::CorrelationId;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::timestamp::Timestamp;
use orderledger_domain::version::{Version, corpus};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::every_event::Parts;
use crate::round_trip::parts;

/// The golden events as a newer program might write them: of that version, with a field that nobody knows in each object.
fn newer(version: &str) -> Vec<(EventType, String)> {
    let parts = Parts::golden();
    let line = |event| {
        let value = String::from_utf8(parts.value(event, Timestamp::default())).unwrap();
        let value = value.replacen("\"payload\":{", "\"payload\":{\"later\":[1,{\"b\":null}],", 1);
        let value = value.replacen("\"version\":\"2.0\"", &format!("\"later\":{{}},\"version\":\"{version}\""), 1);
        (event.event_type(), value)
    };
    parts.every_event().iter().map(line).collect()
}

#[test]
fn every_record_of_the_corpus_reads_as_it_always_did() {
    let mut versions = BTreeSet::new();
    let mut present = BTreeSet::new();
    for line in corpus::lines() {
        let envelope = line.check().unwrap();
        versions.insert(line.version);
        if line.version == Version::PRESENT {
            present.insert(envelope.event_type);
        }
        assert_eq!(envelope::read_any(line.record), Ok(envelope));
    }
    assert_eq!(versions, Version::ALL.iter().copied().collect(), "a version has no file");
    assert_eq!(present, EventType::ALL.iter().copied().collect(), "a type is missing in the newest file");
}

#[test]
fn a_reader_passes_over_what_a_newer_minor_version_adds() {
    let parts = Parts::golden();
    for (event, (_, text)) in parts.every_event().into_iter().zip(newer("2.7")) {
        let read = envelope::read(Some(text.as_bytes())).unwrap();
        assert_eq!((read.version.to_string().as_str(), read.event), ("2.7", Ok(event)), "{text}");
    }
}

#[test]
fn a_reader_refuses_a_newer_major_version_whatever_else_it_could_read() {
    for version in ["3.0", "3.1", "10.0", "2.0.1", "two"] {
        for (event_type, text) in newer(version) {
            let refusal = envelope::read(Some(text.as_bytes())).unwrap_err();
            let expected = Refusal {
                reason: RefuseReason::UnknownVersion,
                detail: format!("version {version} is not 1.0 or 2.0"),
            };
            assert_eq!(refusal, expected);
            // A stage's own keeps its place in its stream: whoever takes it there stops, and refuses nothing.
            let stamp = envelope::stamp_of_unknown(Some(text.as_bytes()), &refusal);
            assert_eq!(stamp.is_some(), event_type.origin() == Origin::Derived, "{text}");
        }
    }
}

/// What is carried by the record that comes from replacing its version, or adding to its metadata.
fn carried(version: &str, more: &str) -> Option<String> {
    let seed = r#"{"eventId":"7d444840-9dc0-11d1-b245-5ffdce74fad2","eventType":"OrderCancelRequested","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"1","userId":"u"},"metadata":{"version":"2.1","source":"s"}}"#;
    let text = seed.replace("\"2.1\"", &format!("\"{version}\"")).replace("\"s\"", &format!("\"s\"{more}"));
    let read = envelope::read(Some(text.as_bytes())).unwrap();
    assert_eq!(envelope::read_any(&text), Ok(read.clone()), "{text}");
    assert!(read.event.is_ok(), "nothing is refused for a label: {text}");
    read.correlation_id.map(|id| id.to_string())
}

#[test]
fn a_correlation_is_carried_from_version_2_1_on_and_anything_else_is_none() {
    let named = |id: &str| format!(",\"correlationId\":{id}");
    for version in ["2.1", "2.2"] {
        assert_eq!(carried(version, &named("\"a-1\"")).as_deref(), Some("a-1"));
        assert_eq!(carried(version, &named(r#""a\"\\\u0062""#)).as_deref(), Some("a\"\\b"));
        assert_eq!(carried(version, ""), None);
        let longer = format!("\"{}\"", "x".repeat(129));
        for other in ["\"\"", "7", "null", "{}", "[\"a\"]", "\"a b\"", "\"ä\"", longer.as_str()] {
            assert_eq!(carried(version, &named(other)), None, "{other}");
        }
        let twice = named("\"a\"").repeat(2);
        assert_eq!(carried(version, &twice), None);
    }
    for version in ["1.0", "2.0"] {
        assert_eq!(carried(version, &named("\"a-1\"")), None);
        assert_eq!(carried(version, &named("7").repeat(2)), None);
    }
}

proptest! {
    /// Upcasters are total and pure: whatever event in whatever version, it is read, twice alike, and says the same.
    #[test]
    fn every_event_is_the_same_in_every_version(parts in parts(), id in vec(prop::char::range('!', '~'), 1..129), minor in 0_u16..) {
        for event in parts.every_event() {
            let payload = envelope::payload_bytes(&event);
            let id = CorrelationId::new(&id.iter().collect::<String>()).unwrap();
            for version in [Version::V2_0, Version::V2_1] {
                let metadata = Metadata { version, source: "test", actor: None, correlation_id: Some(&id) };
                let value = if event.event_type().origin() == Origin::Derived {
                    envelope::write_derived_with(event.event_type(), &payload, Timestamp::default(), &parts.stamp(), &metadata)
                } else {
                    envelope::write_outside_with(parts.id, Timestamp::default(), &event, &metadata)
                };
                let read = envelope::read(Some(&value)).unwrap();
                prop_assert_eq!(&envelope::read_any(std::str::from_utf8(&value).unwrap()), &Ok(read.clone()));
                prop_assert_eq!((&read.event, read.version), (&Ok(event.clone()), version));
                let carried = (version >= Version::V2_1).then(|| id.clone());
                prop_assert_eq!(read.correlation_id, carried);
                let later = String::from_utf8(value).unwrap().replacen(&format!("\"version\":\"{version}\""), &format!("\"version\":\"2.{minor}\""), 1);
                prop_assert_eq!(envelope::read(Some(later.as_bytes())).map(|read| read.event), Ok(Ok(event.clone())));
            }
        }
    }

    /// A payload of the first version that can be read at all is read as one of the present, whatever it is.
    #[test]
    fn an_order_of_the_first_version_is_a_limit_buy(parts in parts()) {
        for event in parts.every_event().into_iter().filter(|event| event.event_type() == EventType::OrderCreated) {
            let value = String::from_utf8(parts.value(&event, Timestamp::default())).unwrap().replacen("\"2.0\"", "\"1.0\"", 1);
            let read = || envelope::read(Some(value.as_bytes())).unwrap().event;
            prop_assert_eq!(read(), read());
            if let Ok(event) = read() {
                let text = String::from_utf8(envelope::payload_bytes(&event)).unwrap();
                prop_assert!(text.contains(r#""side":"buy","orderType":"limit","timeInForce":"gtc","postOnly":false"#), "{}", text);
            } else {
                prop_assert!(!value.contains("\"price\":"), "{}", value);
            }
        }
    }
}
