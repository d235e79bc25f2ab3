//! Who may change the key of the streams: only who seals the request with the one in force.

use std::sync::Arc;

use orderledger_domain::envelope;
use orderledger_domain::event::{Event, EventType, RulesVersion, StreamKeyChange};
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::Topic;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{NewRecord, Record};

use crate::harness::{PARTITIONS, Stages, append, id, outside, records};
use crate::stream_keys::{all_keys, ask, ask_key, key_id, three_ages};

/// A request of another key, sealed with one of those.
pub(crate) fn request_key(number: u64, asked: &str, sealed_by: Option<KeyId>, keys: &StreamKey) -> NewRecord {
    let mut record = outside(id(number), &Event::StreamKeyRequested(StreamKeyChange { key_id: key_id(asked) }));
    if let Some(sealer) = sealed_by {
        let mut value = record.value.unwrap().to_vec();
        assert!(keys.seal(sealer, record.to, b"_control", &mut value));
        record.value = Some(value.into());
    }
    record
}

/// Intake's answer to the newest record, once it is there.
fn refusal_of(log: &MemoryLog) -> Option<(RefuseReason, String)> {
    let answer = records(log, Topic::Orders.at(0)).into_iter().rfind(|record| {
        envelope::read(record.value.as_deref()).is_ok_and(|envelope| envelope.event_type != EventType::StreamKeyTaken)
    });
    match envelope::read(answer.unwrap().value.as_deref()).unwrap().event.unwrap() {
        Event::RecordRefused(refused) => Some((refused.reason, refused.detail)),
        _ => None,
    }
}

#[test]
fn only_who_has_the_key_in_force_changes_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    let stages = Stages::start_keyed(&log, dir.path(), all_keys()).unwrap();
    let refused = |record: NewRecord, why: &str| {
        append(&log, vec![record]);
        stages.settle(&log);
        let detail = "a change of the stream key must be sealed with the one in force".to_owned();
        assert_eq!(refusal_of(&log), Some((RefuseReason::NotSealed, detail)), "{why}");
    };
    // Back to a key that leaked, on to one that nobody has.
    for (number, asked) in [(501, "k2"), (502, "0"), (503, "k9")] {
        refused(request_key(number, asked, None, &all_keys()), "no seal");
        refused(request_key(number, asked, Some(key_id("k2")), &all_keys()), "sealed with the key before");
        refused(request_key(number, asked, Some(KeyId::FIRST), &all_keys()), "sealed with the first key");
    }
    // A seal is of one request: of no other id, and not of one that says something else.
    let good = request_key(504, "k2", Some(key_id("k3")), &all_keys());
    let text = String::from_utf8(good.value.clone().unwrap().to_vec()).unwrap();
    let other = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        NewRecord { value: Some(text.replacen(from, to, 1).into_bytes().into()), ..good.clone() }
    };
    refused(other(&id(504).to_string(), &id(505).to_string()), "copied to another id");
    refused(other(r#""keyId":"k2""#, r#""keyId":"k9""#), "copied to another key");
    // What was granted once is granted no second time by its copy.
    append(&log, vec![good.clone()]);
    stages.settle(&log);
    assert_eq!(refusal_of(&log), None);
    ask_key(&log, 506, "k3");
    stages.settle(&log);
    append(&log, vec![good]);
    stages.settle(&log);
    refused(request_key(507, "k2", Some(key_id("k2")), &all_keys()), "the copy changed nothing");
    stages.stop();
}

#[test]
fn of_two_requests_at_once_the_second_needs_the_key_that_the_first_set() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    ask(&log, 0, &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }));
    let stages = Stages::start_keyed(&log, dir.path(), all_keys()).unwrap();
    stages.settle(&log);
    let both = [("k2", KeyId::FIRST), ("k3", KeyId::FIRST), ("k3", key_id("k2"))];
    let requests = (600..).zip(both).map(|(number, (asked, by))| request_key(number, asked, Some(by), &all_keys()));
    append(&log, requests.collect());
    stages.settle(&log);
    let said = |record: &Record| match envelope::read(record.value.as_deref()).ok()?.event.ok()? {
        Event::StreamKeySet(set) => Some(set.key_id.to_string()),
        Event::RecordRefused(refused) => Some(refused.reason.as_str().to_owned()),
        _ => None,
    };
    let said: Vec<_> = records(&log, Topic::Orders.at(0)).iter().filter_map(said).collect();
    assert_eq!(said, ["k2", "not_sealed", "k3"]);
    stages.stop();
}

#[test]
fn the_first_key_may_have_any_id() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let keys = StreamKey::ring((key_id("k1"), Some([1; 16])), vec![(key_id("k2"), [2; 16])]).unwrap();
    ask(&log, 0, &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }));
    let stages = Stages::start_keyed(&log, dir.path(), keys).unwrap();
    stages.settle(&log);
    for (number, by, refused) in [(1, None, true), (2, Some(key_id("k2")), true), (3, Some(key_id("k1")), false)] {
        append(&log, vec![request_key(number, "k2", by, &keys)]);
        stages.settle(&log);
        assert_eq!(refusal_of(&log).is_some(), refused, "{by:?}");
    }
    stages.stop();
}

#[test]
fn a_log_begun_without_a_key_takes_its_first_one_from_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let keys = StreamKey::ring((KeyId::FIRST, None), vec![(key_id("k2"), [2; 16]), (key_id("k3"), [3; 16])]).unwrap();
    ask(&log, 0, &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }));
    let stages = Stages::start_keyed(&log, dir.path(), keys).unwrap();
    stages.settle(&log);
    for (number, asked, by, refused) in
        [(1, "k2", None, false), (2, "k3", None, true), (3, "k3", Some(key_id("k2")), false)]
    {
        append(&log, vec![request_key(number, asked, by, &keys)]);
        stages.settle(&log);
        assert_eq!(refusal_of(&log).is_some(), refused, "{asked}");
    }
    stages.stop();
}
