//! Records of the log as rows that are streamed: written straight from their bytes.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use orderledger_domain::position::Topic;
use orderledger_projections::audit::StoredRecord;

use super::record::json_of;
use crate::http::sheet::{Row, guarded};

/// A record of a user's history; as JSON what [`super::RecordRow`] is.
pub(crate) struct RecordLine<'a>(pub(crate) &'a StoredRecord);

/// A record of the audit trail; as JSON what [`super::AuditRow`] is.
pub(crate) struct AuditLine<'a>(pub(crate) &'a StoredRecord);

impl Row for RecordLine<'_> {
    const COLUMNS: &'static [&'static str] = &["position", "recordedAt", "type", "event", "valueBase64"];

    fn write_line(&self, to: &mut Vec<u8>) -> io::Result<()> {
        let StoredRecord { position, recorded_at, .. } = self.0;
        write!(to, "{{\"position\":\"{position}\",\"recordedAt\":\"{recorded_at}\"")?;
        write_value(self.0, to)
    }

    fn cells(&self) -> io::Result<Vec<String>> {
        let [event_type, event, value] = value_cells(self.0);
        Ok(vec![self.0.position.to_string(), self.0.recorded_at.to_string(), event_type, event, value])
    }
}

impl Row for AuditLine<'_> {
    const COLUMNS: &'static [&'static str] =
        &["topic", "partition", "offset", "position", "recordedAt", "key", "keyBase64", "type", "event", "valueBase64"];

    fn write_line(&self, to: &mut Vec<u8>) -> io::Result<()> {
        let StoredRecord { position, recorded_at, key, .. } = self.0;
        let (topic, partition, offset) = (Topic::name(position.topic), position.partition, position.offset);
        write!(
            to,
            "{{\"topic\":\"{topic}\",\"partition\":{partition},\"offset\":{offset},\"position\":\"{position}\""
        )?;
        write!(to, ",\"recordedAt\":\"{recorded_at}\",\"key\":")?;
        match key.as_deref().map(std::str::from_utf8) {
            Some(Ok(key)) => serde_json::to_writer(&mut *to, key)?,
            Some(Err(_)) => {
                let bytes = key.as_deref().unwrap_or_default();
                write!(to, "null,\"keyBase64\":\"{}\"", STANDARD.encode(bytes))?;
            }
            None => to.extend_from_slice(b"null"),
        }
        write_value(self.0, to)
    }

    fn cells(&self) -> io::Result<Vec<String>> {
        let StoredRecord { position, recorded_at, key, .. } = self.0;
        let [event_type, event, value] = value_cells(self.0);
        let key = key.as_deref().unwrap_or_default();
        let (key, key_base64) = match std::str::from_utf8(key) {
            Ok(key) => (guarded(key), String::new()),
            Err(_) => (String::new(), guarded(&STANDARD.encode(key))),
        };
        Ok(vec![
            Topic::name(position.topic).to_owned(),
            position.partition.to_string(),
            position.offset.to_string(),
            position.to_string(),
            recorded_at.to_string(),
            key,
            key_base64,
            event_type,
            event,
            value,
        ])
    }
}

/// The rest of the row: `event`, and `valueBase64` where that does not show every byte.
fn write_value(record: &StoredRecord, to: &mut Vec<u8>) -> io::Result<()> {
    to.extend_from_slice(b",\"event\":");
    let value = record.value.as_deref();
    let event = value.and_then(json_of).map(|event| event.get());
    let begin = to.len();
    to.extend_from_slice(event.unwrap_or("null").as_bytes());
    let mut is_shown = event.map(str::len) == value.map(<[u8]>::len);
    // The line's end within JSON is white space: a blank says the same.
    for byte in to.iter_mut().skip(begin).filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
        is_shown = false;
    }
    if let Some(value) = value.filter(|_| !is_shown) {
        write!(to, ",\"valueBase64\":\"{}\"", STANDARD.encode(value))?;
    }
    to.push(b'}');
    Ok(())
}

/// Its type, its text if that is an object of JSON, all of its bytes otherwise.
fn value_cells(record: &StoredRecord) -> [String; 3] {
    let event_type = record.event_type.map_or_else(String::new, |event_type| event_type.as_str().to_owned());
    let Some(value) = record.value.as_deref() else { return [event_type, String::new(), String::new()] };
    let event = json_of(value).map(|event| event.get());
    match event.filter(|event| event.starts_with('{') && event.len() == value.len()) {
        Some(event) => [event_type, event.to_owned(), String::new()],
        None => [event_type, String::new(), guarded(&STANDARD.encode(value))],
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bytes::Bytes;
    use orderledger_domain::timestamp::Timestamp;

    use super::super::{AuditRow, RecordRow};
    use super::*;

    fn record(key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> StoredRecord {
        StoredRecord {
            position: Topic::Orders.at(3).offset(1842),
            recorded_at: Timestamp::parse("2025-01-15T10:30:00.123Z").unwrap(),
            recorded_max: Timestamp::default(),
            event_type: None,
            key: key.map(Bytes::from_static),
            value: value.map(Bytes::from_static),
            headers: Vec::new(),
        }
    }

    fn line(row: &impl Row) -> String {
        let mut line = Vec::new();
        row.write_line(&mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_has_the_bytes_that_the_row_has_in_a_page() {
        let values: [Option<&[u8]>; 6] =
            [Some(br#"{"a":  1.0}"#), Some(b" {} "), Some(b"-5"), Some(b"not json"), Some(b"\xff"), None];
        for value in values {
            for key in [Some(&b"u\"1"[..]), Some(&b"\xff"[..]), None] {
                let record = record(key, value);
                assert_eq!(line(&RecordLine(&record)), serde_json::to_string(&RecordRow::from(&record)).unwrap());
                assert_eq!(line(&AuditLine(&record)), serde_json::to_string(&AuditRow::from(&record)).unwrap());
            }
        }
    }

    #[test]
    fn a_record_of_several_lines_is_one_line_and_keeps_its_bytes() {
        let text = line(&RecordLine(&record(None, Some(b"{\"a\":\r\n1}"))));
        insta::assert_snapshot!(text, @r#"{"position":"orders-3@1842","recordedAt":"2025-01-15T10:30:00.123Z","event":{"a":  1},"valueBase64":"eyJhIjoNCjF9"}"#);
    }

    #[test]
    fn cells_show_objects_as_they_are_and_other_bytes_in_base64() {
        let cells = |key, value| AuditLine(&record(key, value)).cells().unwrap().split_off(5);
        assert_eq!(cells(Some(b"=u1"), Some(b"{\n}")), ["'=u1", "", "", "{\n}", ""]);
        assert_eq!(cells(Some(b"\xff"), Some(b"-1+2")), ["", "/w==", "", "", "LTErMg=="]);
        assert_eq!(cells(None, Some(b"\xfb")), ["", "", "", "", "'+w=="]);
        assert_eq!(cells(None, None), ["", "", "", "", ""]);
    }
}
