//! Reads assigned partitions in turn: the newest records from memory, the others from the files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;

use crate::event_log::embedded::Core;
use crate::event_log::embedded::tail::{Ready, Recent};
use crate::event_log::{Fetched, Reader, ReaderKind, Record};
use crate::{Error, in_turn};

const LIVE_POLL_BYTES: usize = 1024 * 1024;
const REBUILD_POLL_BYTES: usize = 8 * 1024 * 1024;
const MIN_SHARE_BYTES: usize = 64 * 1024;

/// A reader of the embedded log.
pub(super) struct EmbeddedReader {
    core: Arc<Core>,
    wanted: Vec<(TopicPartition, u64)>,
    /// The partition whose turn it is.
    turn: usize,
    poll_bytes: usize,
}

impl EmbeddedReader {
    pub(super) fn new(core: Arc<Core>, from: &[(TopicPartition, u64)], kind: ReaderKind) -> EmbeddedReader {
        let poll_bytes = match kind {
            ReaderKind::Live | ReaderKind::Group(_) | ReaderKind::LaggingGroup(_) => LIVE_POLL_BYTES,
            ReaderKind::Rebuild => REBUILD_POLL_BYTES,
        };
        EmbeddedReader { core, wanted: from.to_vec(), turn: 0, poll_bytes }
    }

    /// Reads each ready partition's share until the poll is full; the first one left out begins the next poll.
    fn fetch(&mut self, ready: Vec<Ready>) -> Result<Vec<Fetched>, Error> {
        let share = (self.poll_bytes / ready.len().max(1)).max(MIN_SHARE_BYTES);
        let mut fetched = Vec::with_capacity(ready.len());
        let mut bytes = 0;
        for Ready { slot, end, recent } in ready {
            self.turn = slot;
            if bytes >= self.poll_bytes {
                break;
            }
            let Some((of, next)) = self.wanted.get_mut(slot) else { continue };
            let records = match recent {
                Some(recent) => from_memory(&recent, *next, share, usize::MAX),
                None => self.core.segments.records(*of, *next, end, share, usize::MAX)?,
            };
            let Some(last) = records.last() else {
                return Err(Error::corrupt(of.offset(*next), "records below the partition's end are missing"));
            };
            *next = last.offset.saturating_add(1);
            bytes += records.iter().map(Record::bytes).sum::<usize>();
            self.turn = slot + 1;
            fetched.push(Fetched { from: *of, records });
        }
        Ok(fetched)
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Fetched>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        // What is appended is published under the same lock.
        let ready = in_turn(|| self.core.tail.wait(&self.wanted, self.turn, deadline));
        self.fetch(ready)
    }

    fn position(&self, of: TopicPartition) -> u64 {
        self.wanted.iter().find(|(partition, _)| *partition == of).map_or(0, |(_, next)| *next)
    }
}

/// The records from this offset on: whole batches, until `max_bytes` of them or `max_records` are read.
pub(super) fn from_memory(recent: &[Arc<Recent>], from: u64, max_bytes: usize, max_records: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = 0;
    for batch in recent {
        for record in batch.records.iter().filter(|record| record.offset >= from) {
            bytes += record.bytes();
            records.push(record.clone());
        }
        if bytes >= max_bytes || records.len() >= max_records {
            break;
        }
    }
    records.truncate(max_records);
    records
}
