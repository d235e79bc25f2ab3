//! The records of the audit view beside those of the log, byte for byte, read in step.

use std::collections::BTreeMap;
use std::iter::Peekable;

use bytes::Bytes;
use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::event_log::Record;

use super::report::{Check, Report};
use super::rows::{Rows, ViewRows};

/// How far the audit view has been read.
pub(super) struct Kept<'a> {
    pub(super) rows: &'a dyn ViewRows,
    pub(super) partitions: BTreeMap<TopicPartition, Peekable<Rows<'a, Record>>>,
}

impl Kept<'_> {
    /// The next record of the log beside the same of the view.
    pub(super) fn compare(&mut self, of: TopicPartition, record: &Record, report: &mut Report) -> Result<(), Error> {
        let kept = self.partitions.entry(of).or_insert_with(|| self.rows.records(of).peekable());
        let is_before = |row: &Result<Record, Error>| row.as_ref().is_ok_and(|row| row.offset < record.offset);
        while let Some(row) = kept.next_if(is_before) {
            further(of, &row?, report);
        }
        let is_there = |row: &Result<Record, Error>| row.as_ref().map_or(true, |row| row.offset == record.offset);
        let row = kept.next_if(is_there).transpose()?;
        report.compare(Check::Records, of.offset(record.offset), &Some(record), &row.as_ref(), |record| text(*record));
        Ok(())
    }

    /// At the log's end nothing may be left.
    pub(super) fn finish(self, report: &mut Report) -> Result<(), Error> {
        for (of, rows) in self.partitions {
            for row in rows {
                further(of, &row?, report);
            }
        }
        Ok(())
    }
}

fn further(of: TopicPartition, record: &Record, report: &mut Report) {
    report.count(Check::Records);
    report.differs(Check::Records, of.offset(record.offset), "no such record", text(Some(record)));
}

fn text(record: Option<&Record>) -> String {
    let Some(record) = record else { return "no such record".to_owned() };
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let or_null = |bytes: &Option<Bytes>| bytes.as_ref().map_or("null".to_owned(), text);
    let (key, value) = (or_null(&record.key), or_null(&record.value));
    format!("key {key}, value {value}, {} headers, recorded at {} ms", record.headers.len(), record.recorded_at_ms)
}
