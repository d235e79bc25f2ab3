//! Who reads every topic and may write to every topic, but lacks the key in force, gets no record taken: at no position of
//! any stream, from the first on and across a change of the key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use orderledger_domain::envelope::{self, Stamp};
use orderledger_domain::event::{Event, EventType, RulesVersion, StreamKeyChange};
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{Arrival, StreamId, StreamKey, StreamMarks};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::partition::may_end_in;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{EventLog, NewRecord, Record};

use crate::harness::{PARTITIONS, Stages, all_partitions, append, deposit, id, limit, outside, records};
use crate::key_requests::request_key;

pub(crate) fn key_id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

/// The first key, and one or two later ones.
fn ring(later: &[(&str, u8)]) -> StreamKey {
    let later = later.iter().map(|(id, byte)| (key_id(id), [*byte; 16])).collect();
    StreamKey::ring((KeyId::FIRST, Some([1; 16])), later).unwrap()
}

pub(crate) fn all_keys() -> StreamKey {
    ring(&[("k2", 2), ("k3", 3)])
}

/// Some trading, the same number of records each time.
fn trade(log: &MemoryLog, from: u64) {
    let names = ["u1", "u2", "u3", "u4"];
    for (number, name) in (from..).zip(names) {
        append(log, vec![outside(id(number), &deposit(name, "USD", 1_000))]);
        append(log, vec![outside(id(number + 10), &deposit(name, "AAPL", 100))]);
    }
    for (number, name) in (from + 20..).zip(names) {
        let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
        append(log, vec![outside(id(number), &limit(name, &format!("o{number}"), side, 3, 10_000))]);
    }
    // Something to refuse, for the dead letters of either partition.
    for partition in 0..PARTITIONS {
        let value = Some(bytes::Bytes::from_static(b"nonsense"));
        append(log, vec![NewRecord { to: Topic::Orders.at(partition), key: None, value, headers: Vec::new() }]);
    }
}

pub(crate) fn ask(log: &MemoryLog, number: u64, event: &Event) {
    append(log, vec![outside(id(number), event)]);
}

/// A request of another key, sealed with the one in force.
pub(crate) fn ask_key(log: &MemoryLog, number: u64, asked: &str) {
    let sets = records(log, Topic::Orders.at(0)).into_iter().filter_map(|record| {
        match envelope::read(record.value.as_deref()).ok()?.event {
            Ok(Event::StreamKeySet(set)) => Some(set.key_id),
            _ => None,
        }
    });
    let in_force = sets.last().unwrap_or(KeyId::FIRST);
    append(log, vec![request_key(number, asked, Some(in_force), &all_keys())]);
}

/// A log with three ages: under the first key, sealed with k2, sealed with k3.
pub(crate) fn three_ages(dir: &Path) -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let stages = Stages::start_keyed(&log, dir, all_keys()).unwrap();
    ask(&log, 0, &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }));
    for (age, key) in [(100, None), (200, Some("k2")), (300, Some("k3"))] {
        if let Some(key) = key {
            ask_key(&log, age + 99, key);
            stages.settle(&log);
        }
        trade(&log, age);
        stages.settle(&log);
    }
    stages.stop();
    log
}

/// Every stream that the stages write: its source and where it ends.
fn streams() -> Vec<(StreamId, TopicPartition)> {
    let sources = [Topic::Orders, Topic::Books].into_iter().flat_map(|topic| (0..PARTITIONS).map(move |p| topic.at(p)));
    let pairs = sources.flat_map(|source| all_partitions().map(move |target| (StreamId(source), target)));
    pairs.filter(|(stream, target)| may_end_in(*stream, *target)).collect()
}

/// The records of a partition that a reader takes as the next of that stream, and after each the marks.
fn taken(all: &[Record], of: TopicPartition, key: &StreamKey) -> Vec<(Read, StreamMarks)> {
    let mut marks = StreamMarks::default();
    let mut taken = Vec::new();
    for record in all {
        let read = Read::new(of, record.clone(), key);
        if let Some(stamp) = read.stamp.filter(|stamp| may_end_in(StreamId::of(stamp), of))
            && marks.take(&stamp, read.digest) == Arrival::Next
        {
            taken.push((read, marks.clone()));
        }
    }
    taken
}

#[test]
fn every_stream_takes_each_key_and_says_so_under_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    for (stream, target) in streams() {
        let all = records(&log, target);
        let own = taken(&all, target, &all_keys())
            .into_iter()
            .filter(|(read, _)| StreamId::of(&read.stamp.unwrap()) == stream);
        let mut key = None;
        let mut changes = 0;
        for (read, _) in own {
            let stamp = read.stamp.unwrap();
            assert_eq!(stamp.key, key, "{}", read.position);
            if let Some(next) = stamp.takes {
                assert_eq!(read.envelope.unwrap().event_type, EventType::StreamKeyTaken);
                key = Some(next);
                changes += 1;
            }
        }
        assert_eq!((changes, key), (2, Some(key_id("k3"))), "{stream:?} to {target}");
    }
}

/// What an attacker tries at one place of a stream, knowing some keys and every record of the log.
fn attempts(
    (stream, target): (StreamId, TopicPartition),
    so_far: &[Record],
    marks: &StreamMarks,
    known: &StreamKey,
    ids: &[Option<KeyId>],
) -> Vec<Record> {
    let next = marks.mark(stream);
    let mut attempts = Vec::new();
    let event = Event::StreamKeyTaken(StreamKeyChange { key_id: key_id("k9") });
    let payload = envelope::payload_bytes(&event);
    // The digest of the record before: what the keys that he has make of it, what stands in the log, and guesses.
    let mut prevs: BTreeSet<u64> = [0, u64::MAX, known.first_prev(stream, target)].into();
    prevs.extend(so_far.iter().map(|record| known.digest(record.key.as_deref(), record.value.as_deref())));
    let stamps = so_far.iter().filter_map(|record| envelope::read(record.value.as_deref()).ok()?.stamp);
    prevs.extend(stamps.map(|stamp| stamp.prev));
    for prev in prevs {
        for key in ids {
            let cause = envelope::Cause { position: stream.0.offset(9_999), index: 0 };
            let stamp = Stamp { cause, sequence: next.sequence + 1, prev, key: *key, takes: None };
            let mut value =
                envelope::write_derived(event.event_type(), &payload, Timestamp::default(), &stamp, "intake");
            if let Some(id) = key
                && !known.seal(*id, target, b"_control", &mut value)
            {
                // Without that key he can but write something in its place.
                value.truncate(value.len() - 2);
                value.extend_from_slice(b",\"seal\":\"0123456789abcdef\"}}");
            }
            let key = Some(bytes::Bytes::from_static(b"_control"));
            let value = Some(value.into());
            attempts.push(Record { offset: 0, recorded_at_ms: 0, key, value, headers: Vec::new() });
        }
    }
    attempts
}

/// Tries everything after each record of each stream, in the log as it stood then: what came later, he hasn't read.
fn check_no_forgery(known: &StreamKey, ids: &[Option<KeyId>], from: impl Fn(&StreamMarks, StreamId) -> bool) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    // And every record of the whole log, as it is, in every place.
    let copies: Vec<Record> = all_partitions().flat_map(|partition| records(&log, partition)).collect();
    let (mut tried, keys) = (0, all_keys());
    for (stream, target) in streams() {
        let all = records(&log, target);
        let mut places = vec![(0, StreamMarks::default())];
        places.extend(
            taken(&all, target, &all_keys()).into_iter().map(|(read, marks)| (read.position.offset + 1, marks)),
        );
        for (length, marks) in places {
            if !from(&marks, stream) {
                continue;
            }
            let so_far = &all[..usize::try_from(length).unwrap()];
            let own = attempts((stream, target), so_far, &marks, known, ids);
            // What comes later he hasn't read yet: those in this place are the genuine ones.
            let copies = copies.iter().filter(|record| !all[so_far.len()..].contains(record)).cloned();
            for record in own.into_iter().chain(copies) {
                let read = Read::new(target, record, &keys);
                let Some(stamp) = read.stamp.filter(|stamp| StreamId::of(stamp) == stream) else { continue };
                tried += 1;
                assert_ne!(
                    marks.judge(&stamp, read.digest),
                    Arrival::Next,
                    "{stream:?} to {target} after {length} records: {}",
                    String::from_utf8_lossy(&read.value.unwrap_or_default())
                );
            }
        }
    }
    tried
}

#[test]
fn without_any_key_nothing_forged_is_taken_anywhere() {
    let ids = [None, Some(KeyId::FIRST), Some(key_id("k2")), Some(key_id("k3")), Some(key_id("k9"))];
    let tried = check_no_forgery(&StreamKey::default(), &ids, |_, _| true);
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn with_keys_that_were_rotated_away_nothing_forged_is_taken_from_the_new_key_on() {
    let ids = [None, Some(KeyId::FIRST), Some(key_id("k2")), Some(key_id("k3"))];
    let has =
        |wanted: &'static str| move |marks: &StreamMarks, stream: StreamId| marks.key(stream) == Some(key_id(wanted));
    let tried = [check_no_forgery(&ring(&[]), &ids, has("k2")), check_no_forgery(&ring(&[("k2", 2)]), &ids, has("k3"))];
    assert!(tried.iter().all(|tried| *tried > 1_000), "{tried:?}");
}

/// The counterpart: these attempts are good ones, for with the key in force each of them succeeds.
#[test]
fn with_the_key_in_force_a_forged_record_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    for (stream, target) in streams() {
        let all = records(&log, target);
        for (read, marks) in taken(&all, target, &all_keys()) {
            let so_far = &all[..=usize::try_from(read.position.offset).unwrap()];
            let ids = [marks.key(stream)];
            let tried = attempts((stream, target), so_far, &marks, &all_keys(), &ids);
            let taken = tried.into_iter().filter(|record| {
                let read = Read::new(target, record.clone(), &all_keys());
                read.stamp.is_some_and(|stamp| {
                    StreamId::of(&stamp) == stream && marks.judge(&stamp, read.digest) == Arrival::Next
                })
            });
            assert!(taken.count() >= 1, "{stream:?} to {target} after {}", read.position);
        }
    }
}

#[test]
fn forged_records_in_a_running_ledger_change_nothing_and_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    let stages = Stages::start_keyed(&log, dir.path(), all_keys()).unwrap();
    let old = ring(&[("k2", 2)]);
    for (stream, target) in streams() {
        let so_far = records(&log, target);
        let marks = taken(&so_far, target, &all_keys()).pop().unwrap().1;
        let ids = [None, Some(key_id("k2")), Some(key_id("k3"))];
        let forged = attempts((stream, target), &so_far, &marks, &old, &ids);
        for Record { key, value, headers, .. } in forged.into_iter().take(40) {
            append(&log, vec![NewRecord { to: target, key, value, headers }]);
        }
    }
    stages.settle(&log);
    trade(&log, 400);
    stages.settle(&log);
    let took_k9 = |target| {
        let own = taken(&records(&log, target), target, &all_keys());
        own.iter().any(|(read, _)| read.stamp.unwrap().takes == Some(key_id("k9")))
    };
    assert!(!all_partitions().any(took_k9));
    stages.stop();
}

#[test]
fn a_replay_from_zero_writes_nothing_new_and_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    let before: BTreeMap<_, _> = all_partitions().map(|p| (p, log.end_offset(p).unwrap())).collect();
    let fresh = tempfile::tempdir().unwrap();
    let stages = Stages::start_keyed(&log, fresh.path(), all_keys()).unwrap();
    stages.settle(&log);
    stages.stop();
    assert_eq!(before, all_partitions().map(|p| (p, log.end_offset(p).unwrap())).collect());
}

#[test]
fn a_server_that_lacks_a_key_does_not_start_where_its_snapshots_need_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = three_ages(dir.path());
    let Err(error) = Stages::start_keyed(&log, dir.path(), ring(&[("k2", 2)])) else { panic!("it started") };
    assert!(error.to_string().contains("sealed with the key k3, which the stream key file doesn't hold"), "{error}");
    // The first key makes the digests of all positions: another one is refused for that.
    let other = StreamKey::ring((KeyId::FIRST, Some([9; 16])), vec![(key_id("k2"), [2; 16]), (key_id("k3"), [3; 16])]);
    assert!(Stages::start_keyed(&log, dir.path(), other.unwrap()).is_err());
}

#[test]
fn stages_halt_with_words_at_a_key_that_they_lack_and_go_on_once_they_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let stages = Stages::start_keyed(&log, dir.path(), ring(&[])).unwrap();
    ask(&log, 0, &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }));
    stages.settle(&log);
    ask_key(&log, 1, "k2");
    for progress in [&stages.intake_progress, &stages.matching_progress] {
        let WorkerState::Halted(why) = Stages::wait_for_end(progress) else { panic!("not halted") };
        assert!(why.contains("sealed with the key k2, which the stream key file doesn't hold: add it there"), "{why}");
    }
    drop(stages);
    let stages = Stages::start_keyed(&log, dir.path(), ring(&[("k2", 2)])).unwrap();
    trade(&log, 100);
    stages.settle(&log);
    stages.stop();
}

#[test]
fn under_version_1_of_the_rules_a_request_of_a_key_is_of_unknown_type() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let stages = Stages::start_keyed(&log, dir.path(), ring(&[("k2", 2)])).unwrap();
    ask_key(&log, 1, "k2");
    stages.settle(&log);
    let answer = records(&log, Topic::Orders.at(0)).pop().unwrap();
    let Ok(Event::RecordRefused(refused)) = envelope::read(answer.value.as_deref()).unwrap().event else { panic!() };
    let said = (refused.reason.as_str(), refused.detail.as_str());
    assert_eq!(said, ("unknown_type", "no event type StreamKeyRequested"));
    stages.stop();
}
