//! A log that was written under one version of the rules, and from its middle on under another, is written again byte for
//! byte: from zero, and from images of before the change and of after it. The first log changes from version 1 to 2, and its
//! images of before were made by a program that knew version 1 alone; the second changes from 2 to 3, which writes events of
//! version 2.1, and back. The files are data, never to be made again.
//!
//! A line of `log`: partition, append time, key, headers, value. A line of `images`: stage, partition, offset, bytes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::{Event, RulesVersion};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::matching::Matching;
use orderledger_projections::stage::fold::{Failure, StageFold};
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::Record;
use orderledger_store::id_index::IdIndex;

const PARTITIONS: u32 = 2;

/// A log, and the stages' images of before its change and of after it.
struct Golden {
    log: &'static str,
    images: [&'static str; 2],
}

const FIRST: Golden = Golden {
    log: include_str!("rules_change/log"),
    images: [include_str!("rules_change/images_before"), include_str!("rules_change/images_after")],
};
const SECOND: Golden = Golden {
    log: include_str!("rules_change/log_2.1"),
    images: [include_str!("rules_change/images_before_2.1"), include_str!("rules_change/images_after_2.1")],
};

type Log = BTreeMap<TopicPartition, Vec<Read>>;

fn log(golden: &Golden) -> Log {
    let mut log = Log::new();
    for line in golden.log.lines() {
        let [of, time, key, headers, value] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let of: TopicPartition = of.parse().unwrap();
        let header = |text: &str| {
            let (name, value) = text.split_once('=').unwrap();
            (name.to_owned(), Bytes::from(value.to_owned()))
        };
        let records = log.entry(of).or_default();
        let record = Record {
            offset: u64::try_from(records.len()).unwrap(),
            recorded_at_ms: time.parse().unwrap(),
            key: Some(Bytes::from(key.to_owned())),
            value: Some(Bytes::from(value.to_owned())),
            headers: headers.split(';').filter(|header| !header.is_empty()).map(header).collect(),
        };
        records.push(Read::new(of, record, &StreamKey::default()));
    }
    log
}

/// The image of a stage's partition in one of the files, and its offset.
fn image(file: &str, stage: &str, partition: u32) -> (u64, Vec<u8>) {
    let begin = format!("{stage} {partition} ");
    let line = file.lines().find_map(|line| line.strip_prefix(&begin)).unwrap();
    let (offset, hex) = line.split_once(' ').unwrap();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (offset.parse().unwrap(), (0..hex.len()).step_by(2).map(byte).collect())
}

/// What the log holds of a stage's partition, in each target the records of causes from `from` on.
fn written(log: &Log, source: TopicPartition, from: u64) -> BTreeMap<TopicPartition, Vec<(Bytes, Bytes)>> {
    let mut written: BTreeMap<TopicPartition, Vec<_>> = BTreeMap::new();
    for (of, records) in log {
        for read in records {
            let Some(stamp) = read.stamp.filter(|stamp| StreamId::of(stamp).0 == source) else { continue };
            if stamp.cause.position.offset >= from {
                written.entry(*of).or_default().push((read.key.clone().unwrap(), read.value.clone().unwrap()));
            }
        }
    }
    written
}

fn check<F: StageFold>(topic: Topic, shared: impl Fn() -> F::Shared) {
    for golden in [FIRST, SECOND] {
        check_golden::<F>(&golden, topic, &shared);
    }
}

fn check_golden<F: StageFold>(golden: &Golden, topic: Topic, shared: impl Fn() -> F::Shared) {
    let log = log(golden);
    for partition in 0..PARTITIONS {
        let source = topic.at(partition);
        let records = log.get(&source).map_or(&[][..], Vec::as_slice);
        let mut whole = shared();
        let images = golden.images.map(|file| Some(image(file, F::NAME, partition)));
        for image in std::iter::once(None).chain(images) {
            let mut fold = F::new(partition, PARTITIONS, StreamKey::default());
            let from = image.as_ref().map_or(0, |(from, _)| *from);
            if let Some((_, image)) = &image {
                fold.restore(image).unwrap();
            }
            assert_eq!(fold.next_offset(), from);
            let mut outputs = Vec::new();
            for read in &records[usize::try_from(from).unwrap()..] {
                // What the partitions share is as the first pass left it: ids of later offsets count for nothing.
                fold.step(read, &mut whole, &mut outputs).unwrap();
            }
            let mut again: BTreeMap<TopicPartition, Vec<_>> = BTreeMap::new();
            for output in outputs {
                again.entry(output.to).or_default().push((output.key, output.value));
            }
            assert_eq!(again, written(&log, source, from), "{} {partition} from {from}", F::NAME);
        }
    }
}

#[test]
fn intake_writes_the_golden_log_again_from_zero_and_from_images_of_before_and_after_the_change() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    check::<Intake>(Topic::Orders, || {
        made.set(made.get() + 1);
        Identities::new(IdIndex::open(&dir.path().join(format!("ids{}.redb", made.get()))).unwrap())
    });
}

#[test]
fn matching_writes_the_golden_log_again_from_zero_and_from_images_of_before_and_after_the_change() {
    check::<Matching>(Topic::Books, Arc::default);
}

#[test]
fn the_golden_log_holds_a_self_trade_of_each_kind_on_both_sides_of_the_change() {
    let log = log(&FIRST);
    let all = log.values().flatten();
    let value = |read: &Read| String::from_utf8(read.value.clone().unwrap().to_vec()).unwrap();
    let expired: Vec<String> = all.map(value).filter(|value| value.contains("\"reason\":\"self_trade\"")).collect();
    let of = |order: &str| expired.iter().filter(|value| value.contains(&format!("\"orderId\":\"{order}\""))).count();
    // Under version 1 the incoming one; under version 2 the resting one, also where it was placed under version 1.
    assert_eq!([of("v1-self"), of("v1-market"), of("v2-self"), of("v2-market")], [1, 1, 0, 0], "{expired:?}");
    assert_eq!([of("v1-rest1"), of("v2-rest1"), of("v1-low"), of("v2-rest3")], [1, 1, 1, 1], "{expired:?}");
}

/// A record's version and correlation, and whether a stage wrote it.
fn form(read: &Read) -> Option<(bool, String, Option<String>)> {
    let envelope = read.envelope.as_ref().ok()?;
    let id = envelope.correlation_id.as_ref().map(ToString::to_string);
    Some((read.stamp.is_some(), envelope.version.to_string(), id))
}

#[test]
fn the_second_golden_log_carries_what_records_belong_to_under_version_3_alone() {
    let log = log(&SECOND);
    let forms: Vec<_> = log.values().flatten().filter_map(form).collect();
    let of_stages = |version: &str| forms.iter().filter(|(is_stage, of, _)| *is_stage && of == version).count();
    assert!(of_stages("2.0") > 100 && of_stages("2.1") > 50, "{forms:?}");
    for (is_stage, version, id) in forms {
        let id = id.unwrap_or_default();
        let is_right = !is_stage || version == "2.1" || id.is_empty();
        assert!(is_right && (!is_stage || !id.starts_with("second") && !id.starts_with("back")), "{version} {id}");
        assert_ne!(id, "early", "version 2.0 has no such field");
    }
    // One trade's two legs, on both sides, and the tape: all belong to the order that came.
    let bid = |read: &&Read| form(read).is_some_and(|(is_stage, _, id)| is_stage && id.as_deref() == Some("third/bid"));
    let mut types: Vec<_> =
        log.values().flatten().filter(bid).map(|read| read.envelope.as_ref().unwrap().event_type).collect();
    types.sort_unstable();
    use orderledger_domain::event::EventType::{OrderAccepted, OrderFilled, TradeExecuted};
    assert_eq!(types, [OrderAccepted, OrderAccepted, OrderFilled, OrderFilled, TradeExecuted]);
}

/// The first record of a stream from `orders-0`, which sets that version.
fn set(to: TopicPartition, version: u32) -> Read {
    let event = Event::RulesVersionSet(RulesVersion { rules_version: version });
    let cause = Cause { position: Topic::Orders.at(0).offset(0), index: 1 };
    let stamp = Stamp { cause, sequence: 1, prev: 0, key: None, takes: None };
    let payload = envelope::payload_bytes(&event);
    let value = envelope::write_derived(event.event_type(), &payload, Timestamp::default(), &stamp, "intake");
    let key = Some(Bytes::from_static(b"_control"));
    let record = Record { offset: 0, recorded_at_ms: 0, key, value: Some(value.into()), headers: Vec::new() };
    Read::new(to, record, &StreamKey::default())
}

fn check_halts<F: StageFold>(topic: Topic, shared: &mut F::Shared) {
    for (version, known) in [(1, true), (2, true), (3, true), (4, true), (5, false), (0, false), (u32::MAX, false)] {
        let mut fold = F::new(1, PARTITIONS, StreamKey::default());
        let stepped = fold.step(&set(topic.at(1), version), shared, &mut Vec::new());
        match stepped {
            Ok(()) => assert!(known, "{version}"),
            Err(Failure::Halt(why)) => {
                let expected = format!("{topic}-1@0: this program knows the rules' versions 1 to 4, not {version}");
                assert!(!known && why == expected, "{why}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_version_of_a_newer_program_halts_either_stage_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Identities::new(IdIndex::open(&dir.path().join("ids.redb")).unwrap());
    check_halts::<Intake>(Topic::Orders, &mut ids);
    check_halts::<Matching>(Topic::Books, &mut Arc::default());
}
