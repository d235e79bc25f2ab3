//! Records as the auditor reads them: JSON, and what a go-back-N reader makes of them.

use std::collections::BTreeMap;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey};
use orderledger_store::event_log::EventLog;
use serde_json::Value;

/// Only the stages may write these.
const DERIVED: [&str; 18] = [
    "AccountCredited",
    "AccountDebited",
    "WithdrawalRejected",
    "OrderAccepted",
    "OrderRejected",
    "CancelAccepted",
    "OrderCanceled",
    "CancelRejected",
    "AmendAccepted",
    "OrderAmended",
    "AmendRejected",
    "OrderFilled",
    "OrderExpired",
    "DuplicateIgnored",
    "RecordRefused",
    "TradeExecuted",
    "FeeScheduleSet",
    "SessionClosed",
];

/// A stream's name in a partition: topic and partition of its source.
pub(crate) type Stream = (String, u32);

#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) stream: Stream,
    pub(crate) cause_offset: u64,
    sequence: u64,
    prev: u64,
}

/// What a record is to a reader of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The next of its stream.
    Next,
    /// There already.
    Repeat,
    /// Intake's own, too early: what is missing before it comes later, and then it comes again.
    Early,
    /// Anything else.
    Outside,
}

#[derive(Clone, Debug)]
pub(crate) struct Rec {
    pub(crate) of: TopicPartition,
    pub(crate) offset: u64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) event_type: String,
    pub(crate) json: Value,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) kind: Kind,
    digest: u64,
}

impl Rec {
    pub(crate) fn payload(&self) -> &Value {
        &self.json["payload"]
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.payload()[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }

    /// A decimal in units of 1/10000.
    pub(crate) fn units(&self, field: &str) -> i128 {
        self.maybe_units(field).unwrap_or_else(|| panic!("no {field}: {self:?}"))
    }

    pub(crate) fn maybe_units(&self, field: &str) -> Option<i128> {
        let number = self.payload()[field].as_number()?.to_string();
        let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
        Some(whole.parse::<i128>().unwrap() * 10_000 + format!("{part:0<4}").parse::<i128>().unwrap())
    }

    pub(crate) fn whole(&self, field: &str) -> i128 {
        self.maybe_whole(field).unwrap_or_else(|| panic!("no {field}: {self:?}"))
    }

    pub(crate) fn maybe_whole(&self, field: &str) -> Option<i128> {
        self.payload()[field].as_u64().map(i128::from)
    }
}

/// All records of a partition, judged.
pub(crate) fn read(log: &dyn EventLog, of: TopicPartition, key: &StreamKey) -> Vec<Rec> {
    let records = log.read(of, 0, usize::MAX).unwrap();
    let mut all: Vec<Rec> = records
        .into_iter()
        .map(|record| {
            let value = record.value.map(|value| value.to_vec());
            let json: Value = value.as_deref().and_then(|v| serde_json::from_slice(v).ok()).unwrap_or_default();
            let event_type = json["eventType"].as_str().unwrap_or_default().to_owned();
            let stamp = stamp(&json, &event_type, of);
            let digest = key.digest(record.key.as_deref(), value.as_deref());
            let key = record.key.map(|key| key.to_vec());
            Rec { of, offset: record.offset, key, value, event_type, json, stamp, kind: Kind::Outside, digest }
        })
        .collect();
    judge(&mut all, of, key);
    all
}

fn stamp(json: &Value, event_type: &str, of: TopicPartition) -> Option<Stamp> {
    let (metadata, cause) = (&json["metadata"], &json["metadata"]["cause"]);
    let (topic, partition) = (cause["topic"].as_str()?, u32::try_from(cause["partition"].as_u64()?).ok()?);
    let here = partition == of.partition;
    let possible = match (topic, of.topic) {
        ("orders", Topic::Orders) => here || partition == 0,
        ("orders", Topic::Books) | ("books", Topic::Orders) => true,
        ("orders", Topic::DeadLetters) | ("books", Topic::Trades) => here,
        _ => false,
    };
    let stamp = Stamp {
        stream: (topic.to_owned(), partition),
        cause_offset: cause["offset"].as_u64()?,
        sequence: metadata["sequence"].as_u64()?,
        prev: u64::from_str_radix(metadata["prev"].as_str()?, 16).ok()?,
    };
    (possible && DERIVED.contains(&event_type)).then_some(stamp)
}

fn judge(all: &mut [Rec], of: TopicPartition, key: &StreamKey) {
    let mut streams: BTreeMap<Stream, Vec<u64>> = BTreeMap::new();
    for rec in &mut *all {
        let Some(stamp) = &rec.stamp else { continue };
        let digests = streams.entry(stamp.stream.clone()).or_default();
        let source = stamp.stream.0.parse::<Topic>().unwrap().at(stamp.stream.1);
        let prev = digests.last().copied().unwrap_or_else(|| key.first_prev(StreamId(source), of));
        let place = usize::try_from(stamp.sequence).unwrap();
        if place <= digests.len() {
            assert_eq!(digests[place - 1], rec.digest, "a repeat with other bytes: {rec:?}");
            rec.kind = Kind::Repeat;
        } else if place == digests.len() + 1 && stamp.prev == prev {
            digests.push(rec.digest);
            rec.kind = Kind::Next;
        }
    }
    // A record out of its stream that came again in its place was the stage's own.
    for rec in all.iter_mut().filter(|rec| rec.kind == Kind::Outside) {
        let Some(stamp) = &rec.stamp else { continue };
        let place = usize::try_from(stamp.sequence).unwrap();
        let came_again = streams[&stamp.stream].get(place - 1) == Some(&rec.digest);
        // Intake refuses one of matching's that is out of its stream, for it can't know better.
        if came_again && (stamp.stream == ("orders".to_owned(), of.partition) || of.topic != Topic::Orders) {
            rec.kind = Kind::Early;
        }
    }
}

/// Outside of `orders` nobody writes but the stages, and what was early came again.
pub(crate) fn check_streams(all: &[Rec]) {
    for rec in all.iter().filter(|rec| rec.of.topic != Topic::Orders) {
        assert!(rec.kind != Kind::Outside, "a stream has a gap that was never filled: {rec:?}");
    }
}
