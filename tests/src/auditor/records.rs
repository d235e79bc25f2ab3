//! Records as the auditor reads them: JSON, and what a go-back-N reader makes of them.
#![expect(clippy::indexing_slicing, reason = "what is not in a JSON value is null")]

use std::collections::BTreeMap;

use serde_json::Value;

use super::log::{Log, Of};
use super::siphash;
use super::{Findings, Keys};

/// Only the stages may write these.
const DERIVED: [&str; 23] = [
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
    "RulesVersionSet",
    "SessionClosed",
    "StreamKeySet",
    "StreamKeyTaken",
    "AccountAdjusted",
    "AdjustmentRejected",
];
/// Notices of projections and decisions of operators: they stand in `dead-letters` and are in no stream.
const NOTICES: [&str; 5] = ["EntityParked", "ParkedRetried", "ParkedDiscarded", "DifferenceAccepted", "OperatorActed"];

#[derive(Clone, Debug)]
pub(super) struct Stamp {
    /// Topic and partition of the stream's source: its name in the partition where it ends.
    pub(super) source: Of,
    pub(super) cause_offset: u64,
    pub(super) index: u64,
    sequence: u64,
    prev: u64,
}

/// What a record is to a reader of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The next of its stream.
    Next,
    /// There already.
    Repeat,
    /// A stage's own, too early: what is missing before it comes later, and then it comes again.
    Early,
    /// Anything else.
    Outside,
}

#[derive(Clone, Debug)]
pub(super) struct Rec {
    pub(super) of: Of,
    pub(super) offset: u64,
    pub(super) recorded_at_ms: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) event_type: String,
    pub(super) json: Value,
    pub(super) stamp: Option<Stamp>,
    pub(super) kind: Kind,
    digest: u64,
}

/// What is written of a record in a finding.
impl std::fmt::Display for Rec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        write!(f, "{} {:.600}", self.at(), text)
    }
}

impl Rec {
    /// Its position as text.
    pub(super) fn at(&self) -> String {
        format!("{}-{}@{}", self.of.0, self.of.1, self.offset)
    }

    /// Whether a key seals it: a digest over its partition, its key and its value up to the seal.
    pub(super) fn is_sealed(&self, id: &str, keys: &Keys) -> bool {
        let value = self.value.as_deref().unwrap_or_default();
        let (Some(secret), Some(length)) =
            (keys.of(id), value.len().checked_sub(r#","seal":"0123456789abcdef"}}"#.len()))
        else {
            return false;
        };
        let (body, seal) = value.split_at(length);
        let place = format!("{}-{}", self.of.0, self.of.1);
        let digest = siphash::digest(secret, &[Some(place.as_bytes()), self.key.as_deref(), Some(body)]);
        seal == format!(r#","seal":"{digest:016x}"}}}}"#).as_bytes()
    }

    pub(super) fn payload(&self) -> &Value {
        &self.json["payload"]
    }

    pub(super) fn text(&self, field: &str) -> Result<String, String> {
        self.payload()[field].as_str().map(str::to_owned).ok_or_else(|| format!("no text {field}: {self}"))
    }

    /// A decimal in units of 1/10000.
    pub(super) fn units(&self, field: &str) -> Result<i128, String> {
        self.maybe_units(field).ok_or_else(|| format!("no decimal {field}: {self}"))
    }

    pub(super) fn maybe_units(&self, field: &str) -> Option<i128> {
        units_of(&self.payload()[field])
    }

    /// What an adjustment gives, below zero what it takes.
    pub(super) fn given(&self) -> Result<i128, String> {
        let amount = self.units("amount")?;
        match self.text("direction")?.as_str() {
            "credit" => Ok(amount),
            "debit" => Ok(-amount),
            other => Err(format!("no direction {other}: {self}")),
        }
    }

    pub(super) fn whole(&self, field: &str) -> Result<i128, String> {
        self.maybe_whole(field).ok_or_else(|| format!("no integer {field}: {self}"))
    }

    pub(super) fn maybe_whole(&self, field: &str) -> Option<i128> {
        self.payload()[field].as_u64().map(i128::from)
    }

    pub(super) fn event_id(&self) -> Option<&str> {
        self.json["eventId"].as_str()
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.json["metadata"]["version"].as_str()
    }

    /// The event's time in milliseconds.
    pub(super) fn time_ms(&self) -> Option<i64> {
        super::log::millis(self.json["timestamp"].as_str()?)
    }

    /// Whether a stage that reads `topic` wrote it.
    pub(super) fn comes_from(&self, topic: &str) -> bool {
        self.stamp.as_ref().is_some_and(|stamp| stamp.source.0 == topic)
    }
}

/// A JSON number (or a decimal as text) in units of 1/10000; none if it isn't one that is exact here.
pub(super) fn units_of(value: &Value) -> Option<i128> {
    let number = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (sign, digits) = number.strip_prefix('-').map_or((1, number.as_str()), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    // Beyond 15 digits the reader of JSON has rounded.
    let is_exact = value.is_string() || value.is_u64() || whole.len() + part.len() <= 15;
    if part.len() > 4 || !is_exact {
        return None;
    }
    let part = format!("{part:0<4}").parse::<i128>().ok()?;
    Some(sign * (whole.parse::<i128>().ok()? * 10_000 + part))
}

/// All records of a partition, judged.
pub(super) fn read(log: &Log, of: Of, keys: &Keys, findings: &mut Findings) -> Vec<Rec> {
    let mut all = Vec::with_capacity(log.records(of.0, of.1).len());
    for record in log.records(of.0, of.1) {
        let json: Value = record.value.as_deref().and_then(|v| serde_json::from_slice(v).ok()).unwrap_or_default();
        let event_type = json["eventType"].as_str().unwrap_or_default().to_owned();
        let stamp = stamp(&json, &event_type, of);
        let (key, value) = (record.key.clone(), record.value.clone());
        let digest = siphash::digest(&keys.secret, &[key.as_deref(), value.as_deref()]);
        let (offset, recorded_at_ms, kind) = (record.offset, record.recorded_at_ms, Kind::Outside);
        all.push(Rec { of, offset, recorded_at_ms, key, value, event_type, json, stamp, kind, digest });
    }
    judge(&mut all, of, keys, findings);
    all
}

fn stamp(json: &Value, event_type: &str, of: Of) -> Option<Stamp> {
    let (metadata, cause) = (&json["metadata"], &json["metadata"]["cause"]);
    let partition = u32::try_from(cause["partition"].as_u64()?).ok()?;
    let here = partition == of.1;
    let source = match (cause["topic"].as_str()?, of.0) {
        ("orders", "orders") if here || partition == 0 => "orders",
        ("orders", "books") => "orders",
        ("books", "orders") => "books",
        ("orders", "dead-letters") if here => "orders",
        ("books", "trades") if here => "books",
        _ => return None,
    };
    let stamp = Stamp {
        source: (source, partition),
        cause_offset: cause["offset"].as_u64()?,
        index: cause["index"].as_u64()?,
        sequence: metadata["sequence"].as_u64()?,
        prev: u64::from_str_radix(metadata["prev"].as_str()?, 16).ok()?,
    };
    DERIVED.contains(&event_type).then_some(stamp)
}

fn judge(all: &mut [Rec], of: Of, keys: &Keys, findings: &mut Findings) {
    let mut streams: BTreeMap<Of, Vec<u64>> = BTreeMap::new();
    let mut last: BTreeMap<Of, (u64, u64)> = BTreeMap::new();
    let mut taken: BTreeMap<Of, Value> = BTreeMap::new();
    for rec in &mut *all {
        let Some(stamp) = rec.stamp.clone() else { continue };
        let digests = streams.entry(stamp.source).or_default();
        let known = digests.len() as u64;
        let prev = digests.last().copied().unwrap_or_else(|| first_prev(stamp.source, of, keys));
        if stamp.sequence <= known {
            let before = stamp.sequence.checked_sub(1).and_then(|place| digests.get(place as usize));
            if before != Some(&rec.digest) {
                findings.add(format!("a repeat with other bytes: {rec}"));
            }
            rec.kind = Kind::Repeat;
        } else if stamp.sequence == known + 1 && stamp.prev == prev {
            let key = rec.json["metadata"]["key"].clone();
            if taken.get(&stamp.source).unwrap_or(&Value::Null) != &key {
                findings.add(format!("sealed with another key than its stream has taken: {rec}"));
            }
            if key.as_str().is_some_and(|id| !rec.is_sealed(id, keys)) {
                findings.add(format!("a seal that its key doesn't make: {rec}"));
            }
            if rec.event_type == "StreamKeyTaken" {
                taken.insert(stamp.source, rec.payload()["keyId"].clone());
            }
            digests.push(rec.digest);
            rec.kind = Kind::Next;
            let cause = (stamp.cause_offset, stamp.index);
            if last.insert(stamp.source, cause).is_some_and(|before| before >= cause) {
                findings.add(format!("a stream that goes back to an earlier cause: {rec}"));
            }
            if of.0 != "orders" || stamp.source != of {
                continue;
            }
            if stamp.cause_offset >= rec.offset {
                findings.add(format!("answered before it was asked: {rec}"));
            }
        }
    }
    // A record out of its stream that came again in its place was the stage's own.
    for rec in all.iter_mut().filter(|rec| rec.kind == Kind::Outside) {
        let Some(stamp) = &rec.stamp else { continue };
        let place = stamp.sequence.checked_sub(1);
        let digests = streams.get(&stamp.source);
        let came_again = place.and_then(|place| digests?.get(place as usize)) == Some(&rec.digest);
        // Intake refuses one of matching's that is out of its stream, for it can't know better.
        if came_again && (stamp.source == of || of.0 != "orders") {
            rec.kind = Kind::Early;
        }
    }
}

fn first_prev(source: Of, target: Of, keys: &Keys) -> u64 {
    if keys.secret == [0; 16] {
        return 0;
    }
    let name = format!("{}-{}>{}-{}", source.0, source.1, target.0, target.1);
    siphash::digest(&keys.secret, &[Some(name.as_bytes()), None])
}

/// Outside of `orders` nobody writes but the stages, and what was early came again.
pub(super) fn check_strangers(all: &[Rec], findings: &mut Findings) {
    // Nothing of `notifications` is in a stream.
    let elsewhere = |rec: &&Rec| !["orders", "notifications"].contains(&rec.of.0) && rec.kind == Kind::Outside;
    for rec in all.iter().filter(elsewhere) {
        if rec.of.0 != "dead-letters" || !NOTICES.contains(&rec.event_type.as_str()) {
            findings.add(format!("a stream has a gap that was never filled, or a stranger wrote: {rec}"));
        }
    }
}
