//! A record of the log, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::StoredRecord;
use serde::Serialize;
use serde_json::value::RawValue;

/// What nests deeper is JSON that most clients can't read: it goes out as bytes.
const DEPTH_MAX: usize = 100;

/// A record of a user's history.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordRow {
    position: Position,
    recorded_at: Timestamp,
    #[serde(flatten)]
    value: ValueRow,
}

/// A record of the audit trail.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRow {
    topic: &'static str,
    partition: u32,
    offset: u64,
    position: Position,
    recorded_at: Timestamp,
    /// Null where the key is not UTF-8.
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(flatten)]
    value: ValueRow,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValueRow {
    /// The record's text itself, if it is JSON.
    event: Option<Box<RawValue>>,
    /// All of its bytes, where `event` does not show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl From<&StoredRecord> for RecordRow {
    fn from(record: &StoredRecord) -> RecordRow {
        RecordRow { position: record.position, recorded_at: record.recorded_at, value: ValueRow::of(&record.value) }
    }
}

impl From<&StoredRecord> for AuditRow {
    fn from(record: &StoredRecord) -> AuditRow {
        let Position { topic, partition, offset } = record.position;
        let key = record.key.as_deref().map(std::str::from_utf8);
        AuditRow {
            topic: Topic::name(topic),
            partition,
            offset,
            position: record.position,
            recorded_at: record.recorded_at,
            key: key.and_then(Result::ok).map(str::to_owned),
            key_base64: key.filter(Result::is_err).and(record.key.as_ref()).map(|key| STANDARD.encode(key)),
            value: ValueRow::of(&record.value),
        }
    }
}

impl ValueRow {
    pub(super) fn of(value: &Option<Bytes>) -> ValueRow {
        let Some(value) = value else { return ValueRow { event: None, value_base64: None } };
        let event = json_of(value).map(ToOwned::to_owned);
        // White space around the JSON is not part of it.
        let whole = event.as_ref().is_some_and(|event| event.get().len() == value.len());
        ValueRow { value_base64: (!whole).then(|| STANDARD.encode(value)), event }
    }
}

pub(super) fn json_of(value: &[u8]) -> Option<&RawValue> {
    let text = std::str::from_utf8(value).ok()?;
    if depth_of(text) > DEPTH_MAX { None } else { serde_json::from_str(text).ok() }
}

fn depth_of(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn json(value: Option<&'static [u8]>) -> String {
        let record = StoredRecord {
            position: Topic::Orders.at(3).offset(1842),
            recorded_at: Timestamp::parse("2025-01-15T10:30:00Z").unwrap(),
            recorded_max: Timestamp::default(),
            event_type: None,
            key: Some(Bytes::from_static(b"u1")),
            value: value.map(Bytes::from_static),
            headers: Vec::new(),
        };
        serde_json::to_string(&RecordRow::from(&record)).unwrap()
    }

    #[test]
    fn a_record_is_shown_byte_for_byte() {
        insta::assert_snapshot!(json(Some(br#"{"price":  0.0100,"a":1e400}"#)), @r#"{"position":"orders-3@1842","recordedAt":"2025-01-15T10:30:00Z","event":{"price":  0.0100,"a":1e400}}"#);
        insta::assert_snapshot!(json(Some(b" {} ")), @r#"{"position":"orders-3@1842","recordedAt":"2025-01-15T10:30:00Z","event":{},"valueBase64":"IHt9IA=="}"#);
        insta::assert_snapshot!(json(Some(b"not json")), @r#"{"position":"orders-3@1842","recordedAt":"2025-01-15T10:30:00Z","event":null,"valueBase64":"bm90IGpzb24="}"#);
        insta::assert_snapshot!(json(None), @r#"{"position":"orders-3@1842","recordedAt":"2025-01-15T10:30:00Z","event":null}"#);
    }

    #[test]
    fn what_nests_too_deeply_goes_out_as_bytes() {
        assert_eq!(depth_of(r#"{"a":"[[[[","b":["\"["]}"#), 2);
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert!(json_of(deep.as_bytes()).is_none());
    }
}
