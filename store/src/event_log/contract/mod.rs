//! What every adapter of the event log keeps, as checks that panic: [`check_all`] on fresh logs, [`check_reopen`] on a
//! durable one. Nothing here relies on dense offsets or on batches being atomic.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a check fails by panicking"
)]

mod appending;
mod reading;
mod reopening;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::TopicPartition;

use crate::Error;
use crate::event_log::{Appender, AppenderKind, EventLog, NewRecord, Reader, Record};

pub use reopening::check_reopen;

/// Longer than any adapter needs; a check that waits this long fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every check, each on a fresh empty log of as many partitions as it asks for.
pub fn check_all(make: &dyn Fn(u32) -> Box<dyn EventLog>) {
    appending::check(make);
    reading::check(make);
}

/// A record for `to` with a text as its key and its value.
pub fn record(to: TopicPartition, key: &str, value: impl Into<Vec<u8>>) -> NewRecord {
    let key = Some(Bytes::copy_from_slice(key.as_bytes()));
    NewRecord { to, key, value: Some(Bytes::from(value.into())), headers: Vec::new() }
}

/// Appends a batch; its offsets come from the receiver when it is acknowledged.
pub fn append(appender: &dyn Appender, batch: Vec<NewRecord>) -> Receiver<Result<Vec<u64>, Error>> {
    let (sender, receiver) = channel();
    appender.append(batch, Box::new(move |result| sender.send(result).unwrap_or_default())).unwrap();
    receiver
}

/// Appends a batch and waits for its offsets.
pub fn append_and_wait(log: &dyn EventLog, batch: Vec<NewRecord>) -> Vec<u64> {
    let appender = log.appender(AppenderKind::Stage).unwrap();
    append(&*appender, batch).recv_timeout(PATIENCE).expect("no acknowledgement").unwrap()
}

/// Polls until the reader has passed all these ends; the records by partition.
pub fn read_up_to(reader: &mut dyn Reader, ends: &[(TopicPartition, u64)]) -> BTreeMap<TopicPartition, Vec<Record>> {
    let mut read: BTreeMap<TopicPartition, Vec<Record>> = BTreeMap::new();
    let deadline = Instant::now() + PATIENCE;
    while ends.iter().any(|(of, end)| reader.position(*of) < *end) {
        assert!(Instant::now() < deadline, "the reader never reached {ends:?}");
        for fetched in reader.poll(Duration::from_millis(100)).unwrap() {
            read.entry(fetched.from).or_default().extend(fetched.records);
        }
    }
    read
}

/// The record as it was handed in.
fn written(to: TopicPartition, record: &Record) -> NewRecord {
    NewRecord { to, key: record.key.clone(), value: record.value.clone(), headers: record.headers.clone() }
}

fn check_ascending(records: &[Record]) {
    for pair in records.windows(2) {
        assert!(pair[0].offset < pair[1].offset, "offsets {} and {}", pair[0].offset, pair[1].offset);
        assert!(pair[0].recorded_at_ms <= pair[1].recorded_at_ms, "append time falls at {}", pair[1].offset);
    }
}
