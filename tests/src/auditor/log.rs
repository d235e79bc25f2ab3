//! What the auditor reads: the records of every partition, wherever they come from.
#![expect(clippy::indexing_slicing, reason = "what is not in a JSON value is null")]

use std::collections::BTreeMap;

use base64::Engine;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use serde_json::Value;

/// The topics by their names without a prefix.
pub const TOPICS: [&str; 5] = ["orders", "books", "trades", "dead-letters", "notifications"];

/// A record as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in its partition.
    pub offset: u64,
    /// When it was appended, in milliseconds since 1970.
    pub recorded_at_ms: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// A topic and a partition.
pub(super) type Of = (&'static str, u32);

/// All records of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Partitions of every topic.
    pub partitions: u32,
    records: BTreeMap<Of, Vec<Record>>,
}

impl Log {
    /// A log without records.
    pub fn new(partitions: u32) -> Log {
        Log { partitions, records: BTreeMap::new() }
    }

    /// Adds a record behind those of its partition.
    ///
    /// # Errors
    /// No such topic or partition, or an offset that doesn't rise.
    pub fn add(&mut self, topic: &str, partition: u32, record: Record) -> Result<(), String> {
        let topic = TOPICS.into_iter().find(|name| *name == topic).ok_or_else(|| format!("no topic {topic}"))?;
        if partition >= self.partitions {
            return Err(format!("no partition {topic}-{partition}"));
        }
        let records = self.records.entry((topic, partition)).or_default();
        if records.last().is_some_and(|last| last.offset >= record.offset) {
            return Err(format!("{topic}-{partition}@{} stands behind a later offset", record.offset));
        }
        records.push(record);
        Ok(())
    }

    /// The lines of `orderledger log dump`.
    ///
    /// # Errors
    /// A line that is none.
    pub fn from_dump(partitions: u32, text: &str) -> Result<Log, String> {
        let mut log = Log::new(partitions);
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
            let wrong = || format!("not a line of a dump: {line}");
            let topic = row["topic"].as_str().ok_or_else(wrong)?;
            let partition = row["partition"].as_u64().and_then(|of| of.try_into().ok()).ok_or_else(wrong)?;
            let offset = row["offset"].as_u64().ok_or_else(wrong)?;
            let recorded_at_ms = row["recordedAt"].as_str().and_then(millis).ok_or_else(wrong)?;
            let (key, value) = (bytes(&row, "key", "keyBase64")?, bytes(&row, "value", "valueBase64")?);
            log.add(topic, partition, Record { offset, recorded_at_ms, key, value })?;
        }
        Ok(log)
    }

    /// Everything that an event log holds.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn of(log: &dyn EventLog) -> Result<Log, Error> {
        let mut read = Log::new(log.partitions());
        for topic in orderledger_domain::position::Topic::ALL {
            for partition in 0..log.partitions() {
                let of = topic.at(partition);
                let mut from = log.first_offset(of)?;
                let to = read.records.entry((topic.name(), partition)).or_default();
                loop {
                    let records = log.read(of, from, 10_000)?;
                    let Some(last) = records.last() else { break };
                    from = last.offset + 1;
                    to.extend(records.into_iter().map(|record| Record {
                        offset: record.offset,
                        recorded_at_ms: record.recorded_at_ms,
                        key: record.key.map(|key| key.to_vec()),
                        value: record.value.map(|value| value.to_vec()),
                    }));
                }
            }
        }
        Ok(read)
    }

    /// The records of a partition.
    pub fn records(&self, topic: &'static str, partition: u32) -> &[Record] {
        self.records.get(&(topic, partition)).map_or(&[], Vec::as_slice)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Another log, with what becomes of each record of this one.
    #[must_use]
    pub fn changed(&self, change: impl Fn(&'static str, u32, &Record) -> Vec<Record>) -> Log {
        let of_one = |(of, records): (&Of, &Vec<Record>)| {
            (*of, records.iter().flat_map(|record| change(of.0, of.1, record)).collect())
        };
        Log { partitions: self.partitions, records: self.records.iter().map(of_one).collect() }
    }

    /// Whether this log begins with all that another holds, record for record; where not, if so.
    pub fn begins_with(&self, earlier: &Log) -> Result<(), String> {
        for ((topic, partition), records) in &earlier.records {
            let now = self.records(topic, *partition);
            for (place, record) in records.iter().enumerate() {
                if now.get(place) != Some(record) {
                    return Err(format!("{topic}-{partition}@{} was another record or is gone", record.offset));
                }
            }
        }
        Ok(())
    }
}

fn bytes(row: &Value, text: &str, base64: &str) -> Result<Option<Vec<u8>>, String> {
    if let Some(coded) = row[base64].as_str() {
        let decoded = base64::engine::general_purpose::STANDARD.decode(coded);
        return decoded.map(Some).map_err(|error| error.to_string());
    }
    Ok(row[text].as_str().map(|text| text.as_bytes().to_vec()))
}

/// Milliseconds since 1970 of a time in RFC 3339, UTC; none if it is written otherwise.
pub(super) fn millis(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, part) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Days since 1970 of a date (Hinnant's days_from_civil): years begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let millis = format!("{part:0<3}").get(..3)?.parse::<i64>().ok()?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2025-01-15T10:30:00.25Z", Some(1_736_937_000_250)),
            ("2024-02-29T23:59:59.999999Z", Some(1_709_251_199_999)),
            ("2025-01-15 10:30:00Z", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
