//! Records from the log itself: on Kafka, or embedded while no server has it.

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_store::event_log::{EventLog, Reader, ReaderKind};
use orderledger_store::{DataDir, Error};

use super::filter::Filter;
use super::{Seen, Source, newest};
use crate::cli::Failure;

/// How many records are read at once.
const CHUNK: usize = 1000;
/// How long a look waits for records.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct FromLog {
    log: Arc<dyn EventLog>,
    filter: Filter,
    /// Each wanted partition, and where what comes begins.
    places: Vec<(TopicPartition, u64)>,
    reader: Option<Box<dyn Reader>>,
    /// A reader failed, and another has not read yet.
    has_failed: bool,
    /// Held as long as the log is read.
    _data: Option<DataDir>,
}

impl FromLog {
    pub(super) fn new(data: Option<DataDir>, log: Arc<dyn EventLog>, filter: Filter) -> Result<FromLog, Failure> {
        let partitions = filter.partitions(log.partitions());
        let places = partitions.into_iter().map(|of| Ok((of, log.stable_end(of)?))).collect::<Result<_, Failure>>()?;
        Ok(FromLog { log, filter, places, reader: None, has_failed: false, _data: data })
    }

    /// What fits of a stretch of offsets.
    fn read(&self, of: TopicPartition, mut from: u64, to: u64) -> Result<Vec<Seen>, Failure> {
        let mut found = Vec::new();
        while from < to {
            let records = self.log.read(of, from, CHUNK)?;
            let Some(last) = records.last() else { break };
            from = last.offset.saturating_add(1);
            let fits = records.into_iter().filter(|record| record.offset < to && self.filter.takes(record));
            found.extend(fits.map(|record| (of, record)));
        }
        Ok(found)
    }
}

impl Source for FromLog {
    fn newest(&mut self, count: usize) -> Result<Vec<Seen>, Failure> {
        let mut found = Vec::new();
        for (of, end) in &self.places {
            let first = self.log.first_offset(*of)?;
            found.extend(newest::of_partition((first, *end), count, |from, to| self.read(*of, from, to))?);
        }
        Ok(newest::of_all(found, count))
    }

    fn next(&mut self) -> Result<Vec<Seen>, Failure> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(self.log.reader(&self.places, ReaderKind::Live)?),
        };
        let fetched = match reader.poll(LOOK) {
            // Another may find the brokers, and goes on where this one stands.
            Err(Error::Unavailable { .. }) if !self.has_failed => {
                self.places.iter_mut().for_each(|(of, at)| *at = reader.position(*of));
                (self.reader, self.has_failed) = (None, true);
                return Ok(Vec::new());
            }
            fetched => fetched?,
        };
        self.has_failed = false;
        let records = fetched.into_iter().flat_map(|fetched| {
            let of = fetched.from;
            fetched.records.into_iter().map(move |record| (of, record))
        });
        Ok(records.filter(|(_, record)| self.filter.takes(record)).collect())
    }
}
