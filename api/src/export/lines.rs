//! The lines of an export. Each is `{"KIND":{…},"check":"…"}`; the last is `{"end":{…}}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::Chain;
use orderledger_projections::audit::merkle::{Frontier, Hash};
use orderledger_store::event_log::{Header, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::rows::hex;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The first line: what the file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExportLine {
    pub(super) version: u32,
    /// Of every topic of the log.
    pub(super) partitions: u32,
}

/// Begins the records of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PartLine {
    pub(super) topic: String,
    pub(super) partition: u32,
    /// The first offset that the log still held.
    pub(super) first_offset: u64,
    /// From this offset on.
    pub(super) from: u64,
    /// Below this one, the end of the partition then.
    pub(super) to: u64,
    /// What chain and tree were before the first record here.
    pub(super) start: StartLine,
}

/// Chain and tree as far as they go before a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartLine {
    pub(super) count: u64,
    pub(super) last_offset: u64,
    pub(super) sha256: String,
    /// The roots of the perfect subtrees, the largest first.
    pub(super) roots: Vec<String>,
}

/// A record, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RecordLine {
    topic: String,
    partition: u32,
    pub(super) offset: u64,
    recorded_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<HeaderLine>,
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HeaderLine {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl HeaderLine {
    /// The headers of a record, in order.
    pub(crate) fn all_of(record: &Record) -> Vec<HeaderLine> {
        let line = |(name, value): &Header| {
            let (value, value_base64) = text_or_base64(Some(value));
            HeaderLine { name: name.clone(), value, value_base64 }
        };
        record.headers.iter().map(line).collect()
    }

    fn header(&self) -> Option<Header> {
        Some((self.name.clone(), bytes(&self.value, &self.value_base64)?.map(Bytes::from).unwrap_or_default()))
    }
}

impl StartLine {
    pub(super) fn of(chain: &Chain) -> StartLine {
        let roots = chain.tree.roots().iter().map(|root| hex(root)).collect();
        StartLine { count: chain.count(), last_offset: chain.last_offset, sha256: hex(&chain.sha256), roots }
    }

    /// The chain to go on with; `None` if there is no such chain.
    pub(super) fn chain(&self) -> Option<Chain> {
        let roots = self.roots.iter().map(|root| unhex(root)).collect::<Option<Vec<Hash>>>()?;
        let tree = Frontier::new(self.count, roots)?;
        let chain = Chain { last_offset: self.last_offset, sha256: unhex(&self.sha256)?, tree };
        (self.count > 0 || chain == Chain::default()).then_some(chain)
    }
}

impl RecordLine {
    pub(super) fn of(from: TopicPartition, record: &Record) -> RecordLine {
        let (key, key_base64) = text_or_base64(record.key.as_deref());
        let (value, value_base64) = text_or_base64(record.value.as_deref());
        RecordLine {
            topic: from.topic.name().to_owned(),
            partition: from.partition,
            offset: record.offset,
            recorded_at: Timestamp::from_millis(record.recorded_at_ms).to_string(),
            key,
            key_base64,
            value,
            value_base64,
            headers: HeaderLine::all_of(record),
        }
    }

    /// Where it says that it stands.
    pub(super) fn position(&self) -> Option<Position> {
        Some(self.topic.parse::<orderledger_domain::position::Topic>().ok()?.at(self.partition).offset(self.offset))
    }

    /// The record as it stood in the log; `None` if something in it can't be read.
    pub(super) fn record(&self) -> Option<Record> {
        let [key, value] = self.key_and_value()?.map(|bytes| bytes.map(Bytes::from));
        let headers = self.headers.iter().map(HeaderLine::header).collect::<Option<Vec<Header>>>()?;
        let recorded_at_ms = Timestamp::parse(&self.recorded_at)?.millis();
        Some(Record { offset: self.offset, recorded_at_ms, key, value, headers })
    }

    /// The bytes of key and value; `None` if there is one in two forms, or what is no base64.
    pub(super) fn key_and_value(&self) -> Option<[Option<Vec<u8>>; 2]> {
        Some([bytes(&self.key, &self.key_base64)?, bytes(&self.value, &self.value_base64)?])
    }
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<String>, Option<String>) {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => (None, None),
        Some((Ok(text), _)) => (Some(text.to_owned()), None),
        Some((Err(_), bytes)) => (None, Some(STANDARD.encode(bytes))),
    }
}

fn bytes(text: &Option<String>, base64: &Option<String>) -> Option<Option<Vec<u8>>> {
    match (text, base64) {
        (None, None) => Some(None),
        (Some(text), None) => Some(Some(text.clone().into_bytes())),
        (None, Some(base64)) => STANDARD.decode(base64).ok().map(Some),
        (Some(_), Some(_)) => None,
    }
}

/// A hash of 64 hexadecimal digits in lower case.
pub(super) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (hex(&hash) == text).then_some(hash)
}

/// A line up to its check.
pub(super) fn body(kind: &str, row: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut body = format!("{{\"{kind}\":").into_bytes();
    serde_json::to_writer(&mut body, row)?;
    Ok(body)
}

/// The kind of a line and its row.
pub(super) fn split(body: &[u8]) -> Option<(&str, &[u8])> {
    let rest = body.strip_prefix(b"{\"")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let (kind, row) = rest.split_at_checked(end)?;
    Some((std::str::from_utf8(kind).ok()?, row.strip_prefix(b"\":")?))
}

/// How long [`Seal::check`] is.
pub(super) const CHECK_LEN: usize = 29;

/// The digest of the file so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seal(Sha256);

impl Seal {
    /// Takes a line; what stands behind its body.
    pub(super) fn check(&mut self, body: &[u8]) -> String {
        self.0.update(body);
        let digest = hex(&self.0.clone().finalize());
        let check = format!(",\"check\":\"{}\"}}\n", digest.get(..16).unwrap_or_default());
        self.0.update(&check);
        check
    }

    /// The last line.
    pub(super) fn end(&self, parts: usize, records: u64) -> String {
        let digest = hex(&self.0.clone().finalize());
        format!("{{\"end\":{{\"parts\":{parts},\"records\":{records},\"sha256\":\"{digest}\"}}}}\n")
    }
}
