//! The log in redb files, for one machine without Kafka.
//!
//! Appends wait in a bounded queue; one thread commits all that is queued with one sync (group commit), then
//! makes it readable and answers. A small group is an entry of the journal, and comes to its places in the files later with many
//! others, beside the next commits (docs/adr/0031). Readers see synced records only: the newest from memory, the others from their places in the files.
//! A crash at any moment leaves the last complete commit; opening after one reads the newest file once (redb's repair), and
//! that one is closed for a new one when it is so long (docs/adr/0027).

mod batches;
mod cut;
pub(crate) mod files;
mod frame;
mod journal;
mod placing;
mod queue;
mod reader;
mod restoring;
mod segment;
mod segments;
mod tail;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use orderledger_domain::position::TopicPartition;

use crate::Error;
use crate::error::At;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::{
    Appender, AppenderKind, Clock, Delivered, EventLog, NewRecord, READ_BYTES, Reader, ReaderKind, Record, system_clock,
};

use batches::{Bounds, all_partitions};
use placing::Placing;
use queue::{Queue, Waiting};
use reader::{EmbeddedReader, from_memory};
use segments::Segments;
use tail::Tail;

pub use restoring::EmbeddedRestoring;

/// The largest record the embedded log takes, in bytes of key, value and headers.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// How an [`EmbeddedLog`] uses memory and time.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// Where append times come from.
    pub clock: Clock,
    /// Bytes of records that may wait for a commit before appenders wait; 8 MiB.
    pub queue_bytes: usize,
    /// Bytes of newest records kept decoded for the readers, over all partitions, or what is in the journal where that is more; 64 MiB.
    pub recent_bytes: usize,
    /// Bytes of the files' pages that redb keeps in memory, over all files; 64 MiB.
    pub page_cache_bytes: usize,
    /// A file that is longer than this is sealed, and the log goes on in a new one. redb doubles a file that grows, so up to a
    /// half of it is records. 512 MiB, which is read in well under a second after a kill.
    pub segment_bytes: u64,
    /// Bytes of records that small commits leave in one half of the journal before they are put in their places; a start after a
    /// kill puts both halves there. 512 KiB.
    pub gathered_bytes: usize,
}

impl Default for EmbeddedOptions {
    fn default() -> EmbeddedOptions {
        EmbeddedOptions {
            clock: system_clock(),
            queue_bytes: 8 * 1024 * 1024,
            recent_bytes: 64 * 1024 * 1024,
            page_cache_bytes: 64 * 1024 * 1024,
            // Where crashes are tried, the log shall go on in new files all the time.
            segment_bytes: if cfg!(feature = "faults") { 2 } else { 512 } * 1024 * 1024,
            gathered_bytes: if cfg!(feature = "faults") { 16 } else { 512 } * 1024,
        }
    }
}

/// An event log in files. Dropping it commits and answers what is queued; readers may live on, and the newest file stays
/// locked until the last appender and reader is dropped too.
pub struct EmbeddedLog {
    core: Arc<Core>,
    commit_thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the log, its appenders and its readers share.
struct Core {
    partitions: u32,
    clock: Clock,
    segments: Segments,
    queue: Queue,
    tail: Tail,
    placing: Placing,
    gathered_bytes: usize,
}

impl EmbeddedLog {
    /// Opens or creates the log whose first file is `path`. [`Error::Refused`] when it was created with another partition count or is another
    /// program's, [`Error::Corrupt`] when it is damaged or no log at all, [`Error::InUse`] when another process has it.
    pub fn open(path: &Path, partitions: u32, options: EmbeddedOptions) -> Result<EmbeddedLog, Error> {
        if partitions == 0 {
            return Err(Error::refused(path, "a log needs at least one partition; use --partitions 1 or more"));
        }
        let segments = Segments::open(path, partitions, options.segment_bytes, options.page_cache_bytes)?;
        let bounds = segments.bounds()?;
        let ends = all_partitions(partitions).zip(bounds.iter().copied()).collect();
        let core = Arc::new(Core {
            partitions,
            clock: options.clock,
            segments,
            queue: Queue::new(options.queue_bytes),
            tail: Tail::new(bounds, partitions, options.recent_bytes),
            placing: Placing::new(),
            gathered_bytes: options.gathered_bytes,
        });
        let thread = thread::Builder::new().name("log-commit".to_owned());
        let commit_thread = thread
            .spawn({
                let core = Arc::clone(&core);
                move || writer::run(&core, ends)
            })
            .map_err(|error| Error::unavailable(path, "can't start the commit thread").with_source(error))?;
        Ok(EmbeddedLog { core, commit_thread: Mutex::new(Some(commit_thread)) })
    }
}

impl EventLog for EmbeddedLog {
    fn partitions(&self) -> u32 {
        self.core.partitions
    }

    fn appender(&self, _kind: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        Ok(Box::new(EmbeddedAppender { core: Arc::clone(&self.core) }))
    }

    fn reader(&self, from: &[(TopicPartition, u64)], kind: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        for (of, offset) in from {
            let bounds = self.core.bounds(*of)?;
            if *offset < bounds.first || *offset > bounds.end {
                let (first, end) = (bounds.first, bounds.end);
                let what = format!("can't be read from there: the log holds offsets from {first} to below {end}");
                return Err(Error::refused(of.offset(*offset), what));
            }
        }
        Ok(Box::new(EmbeddedReader::new(Arc::clone(&self.core), from, kind)))
    }

    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        Ok(self.core.bounds(of)?.first)
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        Ok(self.core.bounds(of)?.end)
    }

    fn appended_at(&self, of: TopicPartition, from: u64) -> Result<Option<i64>, Error> {
        // Every answer of a view that is a little behind asks for it.
        if let Some(time) = self.core.tail.appended_at(of, from) {
            return Ok(Some(time));
        }
        let end = self.core.bounds(of)?.end;
        if from < end { self.core.segments.appended_at(of, from, end) } else { Ok(None) }
    }

    fn reachable(&self) -> Result<(), Error> {
        self.core.queue.check()
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        let end = self.core.bounds(of)?.end;
        if from >= end || max == 0 {
            return Ok(Vec::new());
        }
        let (mut records, mut next, mut bytes) = (Vec::new(), from, 0);
        while next < end && bytes < READ_BYTES && records.len() < max {
            let left = (READ_BYTES - bytes, max - records.len());
            // What is in the journal is in memory; what is no longer in memory is in its place.
            let more = match self.core.tail.recent(of, next, left.1) {
                Some(recent) => from_memory(&recent, next, left.0, left.1),
                None => self.core.segments.records(of, next, end, left.0, left.1)?,
            };
            let Some(last) = more.last() else { break };
            next = last.offset.saturating_add(1);
            bytes += more.iter().map(Record::bytes).sum::<usize>();
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        Ok(records)
    }

    fn commits_batches_atomically(&self) -> bool {
        true
    }

    fn close(&self) {
        self.core.queue.close(&Error::closed(At::Log, "the log is closed"));
        let thread = self.commit_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // A panic there was reported and answered by the thread itself.
            drop(thread.join());
        }
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Core {
    fn bounds(&self, of: TopicPartition) -> Result<Bounds, Error> {
        self.tail.bounds(of).ok_or_else(|| self.no_such_partition(of))
    }

    fn no_such_partition(&self, of: TopicPartition) -> Error {
        Error::refused(of, format!("there is no such partition: topics have {} partitions", self.partitions))
    }
}

struct EmbeddedAppender {
    core: Arc<Core>,
}

impl Appender for EmbeddedAppender {
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
        for record in &batch {
            if record.to.partition >= self.core.partitions {
                return Err(self.core.no_such_partition(record.to));
            }
            let header_bytes: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            let payload_bytes: usize = [&record.key, &record.value].into_iter().flatten().map(bytes::Bytes::len).sum();
            if payload_bytes + header_bytes > MAX_RECORD_BYTES {
                let what = format!("a record is larger than the {MAX_RECORD_BYTES} bytes that the log takes");
                return Err(Error::refused(At::Partition(record.to), what));
            }
        }
        self.core.queue.push(Waiting { records: batch, acknowledgement: Acknowledgement::new(done) })
    }
}
