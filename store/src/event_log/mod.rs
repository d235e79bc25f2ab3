//! The event log port: Kafka's shape, three adapters, one contract suite.
//!
//! Topics have a fixed number of partitions; a partition is an append-only sequence of records with growing offsets
//! (possibly with holes); acknowledgements come later; nothing is promised across partitions unless the adapter says so.

pub mod contract;
pub mod embedded;
pub mod kafka;
pub mod memory;

mod acknowledgement;
mod restoring;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use orderledger_domain::position::TopicPartition;

use crate::Error;

pub use embedded::EmbeddedLog;
pub use memory::MemoryLog;
pub use restoring::Restoring;

/// A header of a record: name and value.
pub type Header = (String, Bytes);

/// A record as a writer hands it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Where it goes; the writer chooses the partition, never the log.
    pub to: TopicPartition,
    /// The record's key, if any.
    pub key: Option<Bytes>,
    /// The record's value; `None` is Kafka's null value.
    pub value: Option<Bytes>,
    /// The record's headers, in order.
    pub headers: Vec<Header>,
}

/// A record as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in its partition.
    pub offset: u64,
    /// The log's append time, in milliseconds since 1970 (Kafka's LogAppendTime).
    pub recorded_at_ms: i64,
    /// The record's key, if any.
    pub key: Option<Bytes>,
    /// The record's value; `None` is Kafka's null value.
    pub value: Option<Bytes>,
    /// The record's headers, in order.
    pub headers: Vec<Header>,
}

impl Record {
    /// What it takes in memory and at most in a batch, near enough to bound a buffer.
    pub(crate) fn bytes(&self) -> usize {
        let headers =
            self.headers.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(40));
        let payload = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let payloads = payload(&self.key).saturating_add(payload(&self.value));
        headers.fold(payloads.saturating_add(24), usize::saturating_add)
    }
}

/// Consecutive records of one partition, in offset order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The partition they stand in.
    pub from: TopicPartition,
    /// The records, in offset order; offsets may have holes.
    pub records: Vec<Record>,
}

/// Called once when the whole batch is acknowledged, with the offsets in the batch's order, or with what went wrong
/// (the outcome is then unknown). It runs on the log's own thread and must not block, so it must not append either:
/// hand over to a thread of your own.
pub type Delivered = Box<dyn FnOnce(Result<Vec<u64>, Error>) + Send>;

/// So many bytes of keys, values and headers are read at once, and at least one record.
pub const READ_BYTES: usize = 8 << 20;

/// The time in milliseconds since 1970, injectable: append times come from it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's own clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    })
}

/// Who appends: decides how long the log tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppenderKind {
    /// A stage: never gives up, keeps order; any delivery error ends the stage like a crash.
    Stage,
    /// A client (HTTP, import): gives up after a deadline; the outcome is then unknown.
    Client,
}

/// How a reader is used: decides buffering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// Follows the end with low latency.
    Live,
    /// Follows the end with low latency for the named consumer group, whose positions dashboards may watch.
    Group(&'static str),
    /// The same for a group that may lag: fewer and larger pieces.
    LaggingGroup(&'static str),
    /// Reads from the beginning as fast as the log gives.
    Rebuild,
}

/// An append-only log of partitioned topics.
pub trait EventLog: Send + Sync {
    /// The number of partitions of every topic.
    fn partitions(&self) -> u32;

    /// A writer; batches handed to one appender keep their order in every partition.
    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, Error>;

    /// A reader of the given partitions, each from the given offset on. [`Error::Refused`] if an offset lies before the
    /// partition's first record or beyond its end: nothing is ever skipped in silence.
    fn reader(&self, from: &[(TopicPartition, u64)], kind: ReaderKind) -> Result<Box<dyn Reader>, Error>;

    /// The offset of the partition's first record still held (0 unless something was deleted).
    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error>;

    /// The high watermark: one above the last record that readers may see.
    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error>;

    /// One above the last record that can be read now, for who reads up to there and stops: below the end where a transaction is
    /// open (KIP-98's last stable offset).
    fn stable_end(&self, of: TopicPartition) -> Result<u64, Error> {
        self.end_offset(of)
    }

    /// The end as far as it is known without asking anyone: never above [`EventLog::end_offset`]. It counts at once what
    /// this log has acknowledged or handed to a reader, and what others wrote within about a second.
    fn known_end(&self, of: TopicPartition) -> Result<u64, Error> {
        self.end_offset(of)
    }

    /// The append time in milliseconds of the first record at or above `from`, or of one shortly before it; `None` at the
    /// end. It may come from memory.
    fn appended_at(&self, of: TopicPartition, from: u64) -> Result<Option<i64>, Error> {
        Ok(self.read(of, from, 1)?.first().map(|record| record.recorded_at_ms))
    }

    /// A time before which the first record at or above `from` was not appended, in milliseconds; `None` at the known end. It is that
    /// record's append time, or that of the nearest one below it that is known without asking anyone. Where none is, it is
    /// when the log first heard that the record is there.
    fn not_appended_before(&self, of: TopicPartition, from: u64) -> Result<Option<i64>, Error> {
        self.appended_at(of, from)
    }

    /// Whether the log can be reached and takes records; the error says what is wrong. A connection that breaks for a moment
    /// doesn't count. Never waits.
    fn reachable(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Whether it is still the log that was opened; the error says what became of it: its topics were made anew, say. Never waits.
    fn same(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Up to `max` records of a partition from offset `from` on, without waiting; empty only at the end and beyond it. There are fewer
    /// where they would come to more than about [`READ_BYTES`], so that whatever outsiders write needs no more memory than that.
    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error>;

    /// Whether a batch over several partitions is visible as a whole or not at all. No stage may rely on it being true.
    fn commits_batches_atomically(&self) -> bool;

    /// How long a busy worker does well to gather records before it takes the next batch: zero where a small batch costs
    /// little more a record than a large one.
    fn gathering(&self) -> Duration {
        Duration::ZERO
    }

    /// Finishes and acknowledges what is queued, then refuses appends with [`Error::Closed`]; readers go on reading.
    fn close(&self);
}

/// Writes batches of records.
pub trait Appender: Send + Sync {
    /// Queues a batch; records for one partition keep the batch's order, and batches keep the order of the calls.
    /// Blocks while the log's bounded queue is full. `done` is called once, later, from the log's own thread, whatever
    /// happens; only when this returns an error nothing was queued and `done` is never called.
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error>;
}

/// Reads assigned partitions; a plain blocking loop owns it.
pub trait Reader: Send {
    /// The next records, or nothing when `timeout` passes first. Never waits when records are there.
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Fetched>, Error>;

    /// The offset that the next record of this partition will have at least: passes holes. 0 if it isn't assigned.
    fn position(&self, of: TopicPartition) -> u64;

    /// Tells the reader's consumer group how far its worker is, for dashboards alone: a start never looks at it. Called
    /// after every poll; `positions` is asked now and then.
    fn report(&mut self, positions: &dyn Fn() -> Vec<(TopicPartition, u64)>) {
        let _ = positions;
    }
}
