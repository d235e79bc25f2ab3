//! A log that is filled from another log: offsets and append times are given, not made.

use std::path::Path;

use orderledger_domain::position::TopicPartition;

use super::batches::Encoded;
use super::cut::Batch;
use super::segments::Segments;
use super::{EmbeddedOptions, MAX_RECORD_BYTES};
use crate::Error;
use crate::event_log::{Record, Restoring};

/// Bytes of encoded batches that are written in one synced transaction.
const WRITE_BYTES: usize = 8 * 1024 * 1024;

/// A log that takes the records of another log.
pub struct EmbeddedRestoring {
    segments: Segments,
    partitions: u32,
    /// Consecutive records of one partition that are no batch yet.
    open: Option<Batch>,
    encoded: Vec<Encoded>,
    encoded_bytes: usize,
}

impl EmbeddedRestoring {
    /// Makes the log whose first file is `path`. [`Error::Refused`] where one already stands.
    pub fn create(path: &Path, partitions: u32) -> Result<EmbeddedRestoring, Error> {
        EmbeddedRestoring::with(path, partitions, &EmbeddedOptions::default())
    }

    pub(super) fn with(path: &Path, partitions: u32, options: &EmbeddedOptions) -> Result<EmbeddedRestoring, Error> {
        if path.exists() {
            return Err(Error::refused(path, "it is there already; remove it, or name another directory"));
        }
        let segments = Segments::open(path, partitions, options.segment_bytes, options.page_cache_bytes)?;
        let (open, encoded) = (None, Vec::new());
        Ok(EmbeddedRestoring { segments, partitions, open, encoded, encoded_bytes: 0 })
    }

    fn take_one(&mut self, of: TopicPartition, record: Record) -> Result<(), Error> {
        let size = record.bytes();
        if size > MAX_RECORD_BYTES {
            let what = format!("it is larger than the {MAX_RECORD_BYTES} bytes that an embedded log takes");
            return Err(Error::refused(of.offset(record.offset), what));
        }
        let taken = match &mut self.open {
            Some(open) => open.push(of, record),
            None => Err(record),
        };
        if let Err(first) = taken {
            self.close_batch();
            self.open = Some(Batch::new(of, first));
        }
        if self.encoded_bytes >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn close_batch(&mut self) {
        let Some(batch) = self.open.take().and_then(|open| open.encoded()) else { return };
        self.encoded_bytes = self.encoded_bytes.saturating_add(batch.frame.len());
        self.encoded.push(batch);
    }

    fn write(&mut self) -> Result<(), Error> {
        self.segments.write(&self.encoded, None)?;
        self.encoded.clear();
        self.encoded_bytes = 0;
        Ok(())
    }
}

impl Restoring for EmbeddedRestoring {
    fn take(&mut self, of: TopicPartition, records: Vec<Record>) -> Result<(), Error> {
        if of.partition >= self.partitions {
            return Err(Error::refused(of, format!("there is no such partition: topics have {}", self.partitions)));
        }
        records.into_iter().try_for_each(|record| self.take_one(of, record))
    }

    /// A hole at the end is left out: nothing stands in it, and nothing that stands elsewhere names it.
    fn end(&mut self, _: TopicPartition, _: u64) -> Result<(), Error> {
        self.close_batch();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.close_batch();
        self.write()
    }
}
