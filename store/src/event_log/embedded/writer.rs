//! The commit thread: takes all that is queued, writes it in one synced transaction, makes it readable, answers.
//! While one group is being synced the next one gathers, so there is no artificial delay. A small group is a row of the journal;
//! when enough of them are gathered, they and the next group are put in their places.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use orderledger_domain::position::TopicPartition;

use crate::error::At;
use crate::event_log::Record;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::embedded::Core;
use crate::event_log::embedded::batches::{Bounds, Encoded};
use crate::event_log::embedded::cut::{Batch, cut, encoded};
use crate::event_log::embedded::queue::Waiting;
use crate::event_log::embedded::tail::{Place, Recent, index};
use crate::{Error, faults};

/// Runs until the log is closed and drained, or until a write fails.
pub(super) fn run(core: &Core, partitions: Vec<(TopicPartition, Bounds)>) {
    let ends = partitions.into_iter().map(End::new).collect();
    let mut writer = Writer { core, ends, gathered: Vec::new(), gathered_bytes: 0 };
    let ended = catch_unwind(AssertUnwindSafe(|| writer.run()));
    if ended.is_err() {
        tracing::error!("the commit thread of the event log panicked; the log takes no more records");
        core.queue.fail(&Error::closed(At::Log, "the commit thread panicked; restart the process"));
    }
}

struct Writer<'a> {
    core: &'a Core,
    ends: Vec<End>,
    /// What is in the journal.
    gathered: Vec<Arc<Recent>>,
    gathered_bytes: usize,
}

/// A partition's end as the next group will find it.
struct End {
    of: TopicPartition,
    next_offset: u64,
    recorded_at_ms: i64,
    fresh: Vec<Record>,
}

impl Writer<'_> {
    fn run(&mut self) {
        while let Some(group) = self.core.queue.take() {
            let answers = self.place(group);
            let batches = self.cut();
            faults::point("log.before-write");
            let place = match self.write(&batches) {
                Ok(place) => place,
                Err(error) => {
                    self.fail(error, answers);
                    return;
                }
            };
            faults::point("log.after-write");
            self.core.tail.publish(batches, place);
            faults::point("log.before-acknowledgement");
            for (acknowledgement, offsets) in answers {
                acknowledgement.deliver(Ok(offsets));
            }
        }
        // After an orderly end a release that knows no journal can go on, and a start has nothing to put in its place.
        if let Err(error) = self.put_in_place(&[]) {
            tracing::warn!(%error, "the event log's journal stays: the next start puts it in its place");
        }
    }

    /// Writes a group; it is on the disk when this returns.
    fn write(&mut self, group: &[Arc<Recent>]) -> Result<Place, Error> {
        if group.is_empty() {
            return Ok(Place::Journal);
        }
        let bytes: usize = group.iter().flat_map(|batch| &batch.records).map(Record::bytes).sum();
        let most = self.core.gathered_bytes;
        // A large group comes to its places at about the price of one row.
        if bytes > most / 4 || self.gathered_bytes.saturating_add(bytes) > most {
            self.put_in_place(group)?;
            return Ok(Place::Batches);
        }
        self.core.segments.gather(&as_they_are(group))?;
        self.gathered.extend_from_slice(group);
        self.gathered_bytes = self.gathered_bytes.saturating_add(bytes);
        Ok(Place::Journal)
    }

    /// Puts what is gathered in its place, and these behind it, in one transaction.
    fn put_in_place(&mut self, group: &[Arc<Recent>]) -> Result<(), Error> {
        if self.gathered.is_empty() {
            return if group.is_empty() { Ok(()) } else { self.core.segments.write(&as_they_are(group)) };
        }
        let mut all = std::mem::take(&mut self.gathered);
        all.extend_from_slice(group);
        // Stable: what belongs to one partition stays in its order.
        all.sort_by_key(|batch| index(batch.of, self.core.partitions));
        let records = all.iter().flat_map(|batch| batch.records.iter().map(|record| (batch.of, record.clone())));
        let encoded: Vec<Encoded> = cut(records).iter().filter_map(Batch::encoded).collect();
        self.gathered_bytes = 0;
        self.core.segments.write(&encoded)
    }

    /// Gives every record its offset and its append time, never below its partition's last.
    fn place(&mut self, group: Vec<Waiting>) -> Vec<(Acknowledgement, Vec<u64>)> {
        let now_ms = (self.core.clock)();
        let mut answers = Vec::with_capacity(group.len());
        for waiting in group {
            let mut offsets = Vec::with_capacity(waiting.records.len());
            for record in waiting.records {
                let end = index(record.to, self.core.partitions).and_then(|index| self.ends.get_mut(index));
                let Some(end) = end else { continue };
                end.recorded_at_ms = end.recorded_at_ms.max(now_ms);
                offsets.push(end.next_offset);
                end.fresh.push(Record {
                    offset: end.next_offset,
                    recorded_at_ms: end.recorded_at_ms,
                    key: record.key,
                    value: record.value,
                    headers: record.headers,
                });
                end.next_offset += 1;
            }
            answers.push((waiting.acknowledgement, offsets));
        }
        answers
    }

    /// Cuts the group's records into batches, in key order.
    fn cut(&mut self) -> Vec<Arc<Recent>> {
        let fresh = self.ends.iter_mut().flat_map(|end| end.fresh.drain(..).map(|record| (end.of, record)));
        cut(fresh).into_iter().map(|Batch { of, records, .. }| Arc::new(Recent { of, records })).collect()
    }

    fn fail(&self, cause: Error, answers: Vec<(Acknowledgement, Vec<u64>)>) {
        tracing::error!(error = %cause, "the event log can't be written; it takes no more records");
        let what = "a write failed, so nothing more is written; its outcome is unknown: restart the process";
        let error = Error::closed(At::Log, what).with_source(cause);
        for (acknowledgement, _) in answers {
            acknowledgement.deliver(Err(error.clone()));
        }
        self.core.queue.fail(&error);
    }
}

fn as_they_are(group: &[Arc<Recent>]) -> Vec<Encoded> {
    group.iter().filter_map(|batch| encoded(batch.of, &batch.records)).collect()
}

impl End {
    fn new((of, bounds): (TopicPartition, Bounds)) -> End {
        End { of, next_offset: bounds.end, recorded_at_ms: bounds.last_recorded_at_ms, fresh: Vec::new() }
    }
}
