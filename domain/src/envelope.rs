//! The envelope: one JSON object a record. Reading never fails on input, it refuses with a reason; writing is
//! deterministic to the byte.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::decimal::OUT_OF_RANGE_MARK;
use crate::event::{Event, EventType, Origin};
use crate::ids::{CorrelationId, KeyId};
use crate::object;
use crate::position::{Position, Topic};
use crate::reason::RefuseReason;
use crate::timestamp::Timestamp;
use crate::version::{self, Version};

mod cursor;
mod own_shape;

/// The largest value of a record in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// The longest detail of a refusal in bytes, before the mark that more was said.
const DETAIL_BYTES_MAX: usize = 256;

/// A record that can't be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refusal {
    /// The reason of the closed list.
    pub reason: RefuseReason,
    /// What exactly is wrong, in words.
    pub detail: String,
}

impl Refusal {
    /// A refusal of that reason. Of a long detail the beginning is kept: it may quote the record, and stands in others.
    pub fn new(reason: RefuseReason, detail: impl Into<String>) -> Refusal {
        let mut detail = detail.into();
        if detail.len() > DETAIL_BYTES_MAX {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
            detail.push('…');
        }
        Refusal { reason, detail }
    }

    /// The refusal of an event type that nobody knows.
    pub fn unknown_type(name: &str) -> Refusal {
        Refusal::new(RefuseReason::UnknownType, format!("no event type {name:.64}"))
    }

    /// The refusal of a version that can't be read, or not by the rules in force: the same words for ever, as they stand
    /// in records.
    pub fn unknown_version(name: &str) -> Refusal {
        Refusal::new(RefuseReason::UnknownVersion, format!("version {name:.64} is not 1.0 or 2.0"))
    }
}

/// Why a derived record exists: the record that caused it and its number among that record's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The record that was read.
    pub position: Position,
    /// The output's number, from 0.
    pub index: u32,
}

/// A derived record's place in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Why the record exists.
    pub cause: Cause,
    /// Its gap-free number in its stream, from 1.
    pub sequence: u64,
    /// The keyed digest of the stream's previous record, 0 for the first.
    pub prev: u64,
    /// The key that seals the record; none before its stream has taken one.
    pub key: Option<KeyId>,
    /// The key that seals the stream's records from the next on, if this is a StreamKeyTaken.
    pub takes: Option<KeyId>,
}

/// What stands in a record's metadata beside its place in a stream.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The version of the record's form.
    pub version: Version,
    /// Who writes it.
    pub source: &'a str,
    /// Whose credential asked for it, where that is known.
    pub actor: Option<&'a str>,
    /// What it belongs to, in the words of whoever asked; written from version 2.1 on.
    pub correlation_id: Option<&'a CorrelationId>,
}

impl<'a> Metadata<'a> {
    /// That of a record of version 2.0.
    pub const fn plain(source: &'a str) -> Metadata<'a> {
        Metadata { version: Version::V2_0, source, actor: None, correlation_id: None }
    }
}

/// A record's value, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The version it was written in.
    pub version: Version,
    /// The event's id, unique for its user.
    pub event_id: Uuid,
    /// The event's type.
    pub event_type: EventType,
    /// When it happened, as its producer says.
    pub timestamp: Timestamp,
    /// What it belongs to, in the words of whoever asked; carried, never interpreted. None before version 2.1.
    pub correlation_id: Option<CorrelationId>,
    /// Its place in a stream, if it is of a derived type and names one.
    pub stamp: Option<Stamp>,
    /// The payload, upcast to the present version, or why it can't be used.
    pub event: Result<Event, Refusal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow, deserialize_with = "object::deserialize")]
    metadata: MetadataWire<'a>,
}

#[derive(Deserialize)]
struct MetadataWire<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow, default)]
    cause: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sequence: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prev: Option<&'a RawValue>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
}

/// Read apart, and only from records of its version on: in earlier ones it means nothing, whatever its form.
#[derive(Deserialize)]
struct CorrelatedWire<'a> {
    #[serde(borrow, deserialize_with = "object::deserialize")]
    metadata: CorrelationWire<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CorrelationWire<'a> {
    #[serde(borrow, default)]
    correlation_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CauseWire<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: u32,
    offset: u64,
    index: u32,
}

/// Reads a record's value.
pub fn read(value: Option<&[u8]>) -> Result<Envelope, Refusal> {
    let text = text_of(value)?;
    own_shape::read(text).map_or_else(|| read_any(text), Ok)
}

/// Reads a record's value, however it is written. [`read`] does it for what the ledger itself would not have written like this.
pub fn read_any(text: &str) -> Result<Envelope, Refusal> {
    let wire: Wire = object::from_str(text).map_err(|error| refuse_json(&error))?;
    let bad = |detail: &str| Refusal::new(RefuseReason::BadEnvelope, detail);
    let event_id = Uuid::try_parse(&wire.event_id).map_err(|_| bad("eventId must be a UUID"))?;
    let timestamp = Timestamp::parse(&wire.timestamp)
        .ok_or_else(|| bad("timestamp must be RFC 3339, from 1970 to 9999, as in 2025-01-15T10:30:00Z"))?;
    let event_type = EventType::from_name(&wire.event_type).ok_or_else(|| Refusal::unknown_type(&wire.event_type))?;
    let name = wire.metadata.version.as_ref();
    let version = Version::readable(name).ok_or_else(|| Refusal::unknown_version(name))?;
    let event = version::read_payload(version, event_type, wire.payload.get());
    let takes = match &event {
        Ok(Event::StreamKeyTaken(taken)) => Some(taken.key_id),
        _ => None,
    };
    let stamp = if event_type.origin() == Origin::Derived { read_stamp(&wire.metadata) } else { None };
    let stamp = stamp.map(|stamp| Stamp { takes, ..stamp });
    let correlation_id = if version >= Version::V2_1 { read_correlation(text) } else { None };
    Ok(Envelope { version, event_id, event_type, timestamp, correlation_id, stamp, event })
}

/// One of another form is as none: nothing is refused for a label.
fn read_correlation(text: &str) -> Option<CorrelationId> {
    let wire: CorrelatedWire = object::from_str(text).ok()?;
    serde_json::from_str(wire.metadata.correlation_id?.get()).ok()
}

/// The place in a stream that a record of an unknown type or version names: a newer program's stage may have written it.
pub fn stamp_of_unknown(value: Option<&[u8]>, refusal: &Refusal) -> Option<Stamp> {
    if !matches!(refusal.reason, RefuseReason::UnknownType | RefuseReason::UnknownVersion) {
        return None;
    }
    let wire: Wire = object::from_str(text_of(value).ok()?).ok()?;
    let is_ours = EventType::from_name(&wire.event_type).is_none_or(|kind| kind.origin() == Origin::Derived);
    if is_ours { read_stamp(&wire.metadata) } else { None }
}

/// The value as text, if it is there, not too large and UTF-8.
pub(crate) fn text_of(value: Option<&[u8]>) -> Result<&str, Refusal> {
    let value = value.ok_or_else(|| Refusal::new(RefuseReason::NullValue, "the record has no value"))?;
    if value.len() > MAX_VALUE_BYTES {
        let detail = format!("{} bytes are more than {MAX_VALUE_BYTES}", value.len());
        return Err(Refusal::new(RefuseReason::TooLarge, detail));
    }
    std::str::from_utf8(value).map_err(|error| Refusal::new(RefuseReason::NotUtf8, error.to_string()))
}

fn read_stamp(metadata: &MetadataWire<'_>) -> Option<Stamp> {
    let cause: CauseWire = object::from_str(metadata.cause?.get()).ok()?;
    let topic: Topic = cause.topic.parse().ok()?;
    let position = topic.at(cause.partition).offset(cause.offset);
    let sequence: u64 = serde_json::from_str(metadata.sequence?.get()).ok()?;
    let prev: Cow<str> = serde_json::from_str(metadata.prev?.get()).ok()?;
    let prev = read_digest(&prev)?;
    let key = match metadata.key {
        Some(key) => Some(serde_json::from_str(key.get()).ok()?),
        None => None,
    };
    Some(Stamp { cause: Cause { position, index: cause.index }, sequence, prev, key, takes: None })
}

/// A digest in its one form: 16 hexadecimal digits in lower case.
fn read_digest(text: &str) -> Option<u64> {
    let canonical = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if canonical { u64::from_str_radix(text, 16).ok() } else { None }
}

/// Which refusal a JSON error is.
pub(crate) fn refuse_json(error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    if !error.is_data() {
        return Refusal::new(RefuseReason::NotJson, text);
    }
    if let Some(detail) = text.strip_prefix(OUT_OF_RANGE_MARK) {
        return Refusal::new(RefuseReason::OutOfRange, detail.to_owned());
    }
    let duplicate = text.starts_with("duplicate field");
    Refusal::new(if duplicate { RefuseReason::DuplicateField } else { RefuseReason::BadEnvelope }, text)
}

/// Writes an outside record's value in version 2.0, as the importers do.
pub fn write_outside(event_id: Uuid, timestamp: Timestamp, event: &Event, source: &str) -> Vec<u8> {
    write_outside_with(event_id, timestamp, event, &Metadata::plain(source))
}

/// Writes an outside record's value with that metadata, as the HTTP API does.
pub fn write_outside_with(event_id: Uuid, timestamp: Timestamp, event: &Event, metadata: &Metadata<'_>) -> Vec<u8> {
    let mut value = begin(event_id, timestamp, event.event_type());
    write_payload(event, &mut value);
    write_metadata(metadata, &mut value);
    value.extend_from_slice(b"}}");
    value
}

/// The payload of an event as JSON, to be written into several records.
pub fn payload_bytes(event: &Event) -> Vec<u8> {
    let mut payload = Vec::with_capacity(256);
    write_payload(event, &mut payload);
    payload
}

/// Writes a derived record's value in version 2.0; its eventId follows from its cause.
pub fn write_derived(event_type: EventType, payload: &[u8], timestamp: Timestamp, stamp: &Stamp, by: &str) -> Vec<u8> {
    write_derived_with(event_type, payload, timestamp, stamp, &Metadata::plain(by))
}

/// The same with that metadata.
pub fn write_derived_with(
    event_type: EventType,
    payload: &[u8],
    timestamp: Timestamp,
    stamp: &Stamp,
    metadata: &Metadata<'_>,
) -> Vec<u8> {
    use std::io::Write;
    let mut value = begin(derived_id(stamp.cause), timestamp, event_type);
    value.extend_from_slice(payload);
    write_metadata(metadata, &mut value);
    let Cause { position, index } = stamp.cause;
    // Writing into memory can't fail.
    let _ = write!(
        value,
        ",\"cause\":{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},\"index\":{index}}},\"sequence\":{},\
         \"prev\":\"{:016x}\"",
        position.topic, position.partition, position.offset, stamp.sequence, stamp.prev
    );
    if let Some(key) = stamp.key {
        let _ = write!(value, ",\"key\":\"{key}\"");
    }
    value.extend_from_slice(b"}}");
    value
}

/// Begins the metadata behind a payload.
fn write_metadata(metadata: &Metadata<'_>, to: &mut Vec<u8>) {
    use std::io::Write;
    let Metadata { version, source, actor, correlation_id } = *metadata;
    // Writing into memory can't fail, and neither can writing a string.
    let _ = write!(to, ",\"metadata\":{{\"version\":\"{version}\",\"source\":");
    let _ = serde_json::to_writer(&mut *to, source);
    if let Some(actor) = actor {
        to.extend_from_slice(b",\"actor\":");
        let _ = serde_json::to_writer(&mut *to, actor);
    }
    if let Some(id) = correlation_id.filter(|_| version >= Version::V2_1) {
        to.extend_from_slice(b",\"correlationId\":");
        let _ = serde_json::to_writer(&mut *to, id);
    }
}

/// The eventId of a derived record: UUIDv5 of its cause's position and index.
pub fn derived_id(cause: Cause) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_6361_7573);
    Uuid::new_v5(&NAMESPACE, format!("{}#{}", cause.position, cause.index).as_bytes())
}

fn begin(event_id: Uuid, timestamp: Timestamp, event_type: EventType) -> Vec<u8> {
    use std::io::Write;
    let mut value = Vec::with_capacity(640);
    // Writing into memory can't fail.
    let _ = write!(
        value,
        "{{\"eventId\":\"{}\",\"eventType\":\"{}\",\"timestamp\":\"{timestamp}\",\"payload\":",
        event_id.as_hyphenated(),
        event_type.as_str()
    );
    value
}

fn write_payload(event: &Event, to: &mut Vec<u8>) {
    // Payloads are plain structs with string keys: writing them into memory can't fail.
    let _ = event.write_payload(to);
}
