//! The table of every file of the log that is read: (topic, partition, base offset) → a batch of consecutive records.

use std::path::Path;

use orderledger_domain::position::{Topic, TopicPartition};
use redb::{ReadOnlyTable, ReadableDatabase, ReadableTableMetadata, TableDefinition};

use crate::Error;
use crate::event_log::Record;
use crate::event_log::embedded::frame;
use crate::redb_file::{guarded, storage_error};

/// Topic number, partition and base offset, big-endian: sorted as the log is.
pub(super) type Key = [u8; 13];

pub(super) const BATCHES: TableDefinition<&Key, &[u8]> = TableDefinition::new("batches");
/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) last_recorded_at_ms: i64,
}

/// A batch to be written, already encoded.
pub(super) struct Encoded {
    pub(super) of: TopicPartition,
    pub(super) base: u64,
    pub(super) frame: Vec<u8>,
}

impl Bounds {
    /// Whether there is no record.
    pub(super) fn is_empty(self) -> bool {
        self.end == 0
    }

    /// Where a partition begins and ends that goes on as `later`.
    pub(super) fn and(self, later: Bounds) -> Bounds {
        match (self.is_empty(), later.is_empty()) {
            (true, _) => later,
            (false, true) => self,
            (false, false) => Bounds { first: self.first, ..later },
        }
    }
}

/// A snapshot of the table.
pub(super) struct Scan<'a> {
    table: ReadOnlyTable<&'static Key, &'static [u8]>,
    path: &'a Path,
}

impl<'a> Scan<'a> {
    /// A view of a file as it is now, for a few reads; it holds back no writer.
    pub(super) fn begin(database: &impl ReadableDatabase, path: &'a Path) -> Result<Scan<'a>, Error> {
        let read = || -> Result<_, redb::Error> { Ok(database.begin_read()?.open_table(BATCHES)?) };
        let table = read().map_err(|error| storage_error(path, "can't read it", error))?;
        Ok(Scan { table, path })
    }

    /// Whether there is no batch.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        self.table.is_empty().map_err(|error| self.unreadable(error))
    }

    /// Where the partition begins and ends; its last batch is checked.
    pub(super) fn bounds(&self, of: TopicPartition) -> Result<Bounds, Error> {
        guarded(self.path, || self.read_bounds(of))
    }

    fn read_bounds(&self, of: TopicPartition) -> Result<Bounds, Error> {
        let mut whole = self.range(of, 0, u64::MAX)?;
        let Some(last) = whole.next_back() else { return Ok(Bounds::default()) };
        let (base, frame) = last.map_err(|error| self.unreadable(error))?;
        let base = base_of(base.value());
        let head = frame::head(frame.value(), of.offset(base))?;
        let first = match whole.next() {
            Some(first) => base_of(first.map_err(|error| self.unreadable(error))?.0.value()),
            None => base,
        };
        let end = base.saturating_add(u64::from(head.count));
        Ok(Bounds { first, end, last_recorded_at_ms: head.last_recorded_at_ms })
    }

    /// Records of the partition from offset `from` on and below `end`: whole batches, until `max_bytes` of them or
    /// `max_records` are read.
    pub(super) fn records(
        &self,
        of: TopicPartition,
        from: u64,
        end: u64,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Vec<Record>, Error> {
        if from >= end {
            return Ok(Vec::new());
        }
        guarded(self.path, || self.read_records(of, from, end, max_bytes, max_records))
    }

    fn read_records(
        &self,
        of: TopicPartition,
        from: u64,
        end: u64,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        let mut bytes = 0;
        for batch in self.range(of, self.holder(of, from)?, end.saturating_sub(1))? {
            let (base, frame) = batch.map_err(|error| self.unreadable(error))?;
            let known = records.len();
            frame::decode(frame.value(), of.offset(base_of(base.value())), from, &mut records)?;
            // A batch that was just put in its place may go on beyond what readers may see.
            records.truncate(records.partition_point(|record| record.offset < end));
            bytes += records.iter().skip(known).map(Record::bytes).sum::<usize>();
            if bytes >= max_bytes || records.len() >= max_records {
                break;
            }
        }
        records.truncate(max_records);
        Ok(records)
    }

    /// When the partition's record at `from` was appended, or the first behind it in this file, below `end`.
    pub(super) fn appended_at(
        &self,
        of: TopicPartition,
        from: u64,
        end: u64,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<i64>, Error> {
        guarded(self.path, || {
            for batch in self.range(of, self.holder(of, from)?, end.saturating_sub(1))? {
                let (base, frame) = batch.map_err(|error| self.unreadable(error))?;
                let time = frame::appended_at(frame.value(), of.offset(base_of(base.value())), from, scratch)?;
                if time.is_some() {
                    return Ok(time);
                }
            }
            Ok(None)
        })
    }

    /// Where the batch begins that has the record at `from`, or the one before it.
    fn holder(&self, of: TopicPartition, from: u64) -> Result<u64, Error> {
        match self.range(of, 0, from)?.next_back() {
            Some(holder) => Ok(base_of(holder.map_err(|error| self.unreadable(error))?.0.value())),
            None => Ok(from),
        }
    }

    fn range(
        &self,
        of: TopicPartition,
        from: u64,
        to_inclusive: u64,
    ) -> Result<redb::Range<'static, &'static Key, &'static [u8]>, Error> {
        let range = self.table.range::<&Key>(&key(of, from)..=&key(of, to_inclusive));
        range.map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: redb::StorageError) -> Error {
        storage_error(self.path, "can't read it", error.into())
    }
}

/// All partitions of a log, in their numbering order.
pub(super) fn all_partitions(partitions: u32) -> impl Iterator<Item = TopicPartition> {
    Topic::ALL.into_iter().flat_map(move |topic| (0..partitions).map(move |partition| topic.at(partition)))
}

pub(super) fn key(of: TopicPartition, base: u64) -> Key {
    let mut key = [0; 13];
    let (topic, place) = key.split_at_mut(1);
    let (partition, offset) = place.split_at_mut(4);
    topic.copy_from_slice(&[of.topic.number()]);
    partition.copy_from_slice(&of.partition.to_be_bytes());
    offset.copy_from_slice(&base.to_be_bytes());
    key
}

fn base_of(key: &Key) -> u64 {
    key.last_chunk().map_or(0, |base| u64::from_be_bytes(*base))
}
