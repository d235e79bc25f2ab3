//! Envelopes, one a line, appended as they are: byte for byte what the line holds.

use std::io::BufRead;

use bytes::Bytes;
use orderledger_domain::event::{EventType, Origin};
use orderledger_domain::partition;
use orderledger_domain::position::Topic;
use orderledger_store::event_log::NewRecord;
use serde::{Deserialize, Serialize};

use super::lines::ImportError;

/// How many lines were appended, and how many were not of an outside type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Appended as they are; intake judges them.
    pub appended: u64,
    /// Derived types, unknown types, lines without a user or that are no JSON.
    pub skipped: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addressed<'a> {
    #[serde(borrow)]
    event_type: std::borrow::Cow<'a, str>,
    payload: Payload<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow, default)]
    user_id: Option<std::borrow::Cow<'a, str>>,
}

/// Reads the lines and hands over the records, a few hundred at a time.
pub fn read(
    mut text: impl BufRead,
    partitions: u32,
    mut take: impl FnMut(Vec<NewRecord>) -> Result<(), orderledger_store::Error>,
) -> Result<Result<Report, orderledger_store::Error>, ImportError> {
    const BATCH: usize = 500;
    let (mut report, mut records, mut line) = (Report::default(), Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = text.read_until(b'\n', &mut line).map_err(ImportError::Unreadable)?;
        let value = line.strip_suffix(b"\n").unwrap_or(&line);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        match record(value, partitions) {
            Some(record) => {
                report.appended = report.appended.saturating_add(1);
                records.push(record);
            }
            None if value.is_empty() => {}
            None => report.skipped = report.skipped.saturating_add(1),
        }
        if (read == 0 || records.len() >= BATCH)
            && let Err(error) = take(std::mem::take(&mut records))
        {
            return Ok(Err(error));
        }
        if read == 0 {
            return Ok(Ok(report));
        }
    }
}

/// The record of a line of an outside type, for the partition of its key.
fn record(value: &[u8], partitions: u32) -> Option<NewRecord> {
    let addressed: Addressed<'_> = serde_json::from_slice(value).ok()?;
    let (to, key) = match EventType::from_name(&addressed.event_type)?.origin() {
        Origin::Outside => {
            let user = addressed.payload.user_id?;
            (partition::of_key(user.as_bytes(), partitions), user.into_owned())
        }
        Origin::Control => (0, "_control".to_owned()),
        Origin::Derived | Origin::Operator => return None,
    };
    Some(NewRecord {
        to: Topic::Orders.at(to),
        key: Some(Bytes::from(key)),
        value: Some(Bytes::copy_from_slice(value)),
        headers: Vec::new(),
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn outside_types_are_appended_byte_for_byte_and_the_rest_is_counted() {
        let created = r#"{"eventId":"1", "eventType":"OrderCreated","payload":{"userId":"u1","price":1.50}}"#;
        let text = format!(
            "{created}\r\n\nnot json\n{}\n{}\n{}",
            r#"{"eventType":"AccountCredited","payload":{"userId":"u1"}}"#,
            r#"{"eventType":"OrderTeleported","payload":{"userId":"u1"}}"#,
            r#"{"eventType":"FeeScheduleRequested","payload":{}}"#
        );
        let mut taken = Vec::new();
        let report = read(text.as_bytes(), 12, |records| {
            taken.extend(records);
            Ok(())
        });
        assert!(matches!(report, Ok(Ok(Report { appended: 2, skipped: 3 }))));
        let values: Vec<_> = taken.iter().map(|record| (record.key.clone(), record.value.clone())).collect();
        assert_eq!(values[0], (Some("u1".into()), Some(Bytes::copy_from_slice(created.as_bytes()))));
        assert_eq!((taken[1].to, values[1].0.clone()), (Topic::Orders.at(0), Some("_control".into())));
    }
}
