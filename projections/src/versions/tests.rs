//! Logs with records that this program can't read.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause};
use orderledger_domain::event::{AccountCredited, RulesVersion};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::stream::StreamMark;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, NewRecord};

use super::*;

const HERE: TopicPartition = Topic::Orders.at(0);

/// What intake wrote of so many records, with a change of its bytes each.
fn stream(changes: &[(&str, &str)]) -> Vec<Vec<u8>> {
    let mut mark = StreamMark::default();
    (0..)
        .zip(changes)
        .map(|(offset, (from, to))| {
            let event = match *to {
                "rules" => Event::RulesVersionSet(RulesVersion { rules_version: 77 }),
                _ => Event::AccountCredited(AccountCredited {
                    user_id: UserId::new("u1").unwrap(),
                    asset: Asset::USD,
                    amount: Amount::from_units(10_000),
                    request_id: uuid::Uuid::from_u128(1),
                }),
            };
            let stamp = mark.next_stamp(Cause { position: HERE.offset(offset), index: 0 });
            let payload = envelope::payload_bytes(&event);
            let value = envelope::write_derived(event.event_type(), &payload, Timestamp::default(), &stamp, "intake");
            let value = String::from_utf8(value).unwrap();
            let value = if from.is_empty() { value } else { value.replace(from, to) }.into_bytes();
            mark =
                StreamMark { sequence: stamp.sequence, digest: StreamKey::default().digest(Some(b"u1"), Some(&value)) };
            value
        })
        .collect()
}

fn log(values: Vec<Vec<u8>>) -> MemoryLog {
    log_of(HERE, values)
}

fn log_of(to: TopicPartition, values: Vec<Vec<u8>>) -> MemoryLog {
    let log = MemoryLog::new(1).unwrap();
    let record = |value: Vec<u8>| NewRecord {
        to,
        key: Some(Bytes::from_static(b"u1")),
        value: Some(value.into()),
        headers: Vec::new(),
    };
    let (sender, written) = std::sync::mpsc::channel();
    let appender = log.appender(AppenderKind::Client).unwrap();
    let records = values.into_iter().map(record).collect();
    appender.append(records, Box::new(move |done| sender.send(done.map(drop)).unwrap())).unwrap();
    written.recv().unwrap().unwrap();
    log
}

/// How many gaps the whole log has, and where its newest records are refused.
fn check(values: Vec<Vec<u8>>) -> (u64, Option<String>) {
    let (log, key) = (log(values), StreamKey::default());
    let survey = Survey::of(&log, &key, &mut |_| {}).unwrap();
    (survey.gap_count, check_newest(&log, &key).err().map(|error| error.to_string()))
}

#[test]
fn a_minor_version_that_came_later_is_read_and_a_major_one_is_a_gap() {
    let same = ("", "");
    assert_eq!(check(stream(&[same, same])), (0, None));
    assert_eq!(check(stream(&[same, ("\"2.0\"", "\"2.7\""), same])), (0, None));
    for (change, words) in [
        (("\"2.0\"", "\"3.0\""), "version 3.0 is not 1.0 or 2.0"),
        (("AccountCredited", "AccountGranted"), "no event type AccountGranted"),
        (("", "rules"), "this program knows the rules' versions 1 to 4, not 77"),
        (("\"amount\":1", "\"amount\":\"much\""), "AccountCredited: must be a JSON number"),
    ] {
        let (gaps, refused) = check(stream(&[same, change, same]));
        let refused = refused.unwrap();
        assert!(gaps == 1 && refused.contains("orders-0@1") && refused.contains(words), "{gaps} {refused}");
        assert!(refused.contains("start that program again"), "{refused}");
    }
}

#[test]
fn what_outsiders_write_is_no_gap() {
    let same = ("", "");
    let mut values = stream(&[same, same]);
    let stranger = stream(&[same, ("\"amount\":1", "\"amount\":2"), ("\"2.0\"", "\"3.0\"")]);
    values.push(stranger[2].clone());
    values.push(br#"{"eventId":"1"}"#.to_vec());
    values.push(b"\xff".to_vec());
    assert_eq!(check(values.clone()), (0, None));
    let survey = Survey::of(&log(values), &StreamKey::default(), &mut |_| {}).unwrap();
    let refused: Vec<_> = survey.refused.keys().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(refused, ["not_utf8", "bad_envelope", "unknown_version"]);
    assert_eq!((survey.records, survey.read.values().map(|seen| seen.records).sum::<u64>()), (5, 2));
}

#[test]
fn what_stands_in_notifications_is_named_and_a_major_version_that_came_later_is_not_read() {
    let said = said::Said::WebhookDeleted(said::WebhookDeleted { webhook_id: uuid::Uuid::nil() });
    let record = crate::notifications::said::record(&said, uuid::Uuid::nil(), Timestamp::default(), "test", None, 1);
    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
    let values = ["2.0", "2.7", "3.0"].map(|version| value.replace("2.0", version).into_bytes());
    let log = log_of(record.to, values.to_vec());
    let survey = Survey::of(&log, &StreamKey::default(), &mut |_| {}).unwrap();
    let read: Vec<_> = survey.read.keys().map(|(topic, name, version)| format!("{topic} {name} {version}")).collect();
    assert_eq!(read, ["notifications WebhookDeleted 2.0", "notifications WebhookDeleted 2.7"]);
    assert_eq!(survey.refused.keys().collect::<Vec<_>>(), [&(Topic::Notifications, RefuseReason::UnknownVersion)]);
    assert_eq!(survey.gap_count, 0);
}

#[test]
fn a_copy_of_a_record_that_claims_a_newer_version_keeps_no_program_from_starting() {
    let same = ("", "");
    let mut values = stream(&[same, same, same]);
    // Its predecessor's digest stands in the genuine one.
    let copied = String::from_utf8(values[1].clone()).unwrap();
    assert!(copied.contains("\"2.0\""));
    values.push(copied.replace("\"2.0\"", "\"3.0\"").into_bytes());
    assert_eq!(check(values), (0, None));
}

#[test]
fn only_the_newest_records_are_looked_at_before_a_start() {
    let mut changes = vec![("", ""); 300];
    changes[10] = ("\"2.0\"", "\"3.0\"");
    assert_eq!(check(stream(&changes)), (1, None));
    changes[290] = ("\"2.0\"", "\"3.0\"");
    let (gaps, refused) = check(stream(&changes));
    assert!(gaps == 2 && refused.unwrap().contains("orders-0@290"));
}
