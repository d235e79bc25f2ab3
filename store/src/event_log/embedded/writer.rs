//! The commit thread: takes all that is queued, writes it in one synced transaction, makes it readable, answers.
//! While one group is being synced the next one gathers, so there is no artificial delay.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use orderledger_domain::position::TopicPartition;

use crate::error::At;
use crate::event_log::Record;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::embedded::Core;
use crate::event_log::embedded::batches::{Bounds, Encoded};
use crate::event_log::embedded::frame;
use crate::event_log::embedded::queue::Waiting;
use crate::event_log::embedded::tail::{Recent, index};
use crate::{Error, faults};

pub(super) const MAX_BATCH_RECORDS: usize = 1024;
/// Before compression; with its head a full batch still fits in a page of 256 KiB.
pub(super) const MAX_BATCH_BYTES: usize = 255 * 1024;

/// Runs until the log is closed and drained, or until a write fails.
pub(super) fn run(core: &Core, partitions: Vec<(TopicPartition, Bounds)>) {
    let mut writer = Writer { core, ends: partitions.into_iter().map(End::new).collect() };
    let ended = catch_unwind(AssertUnwindSafe(|| writer.run()));
    if ended.is_err() {
        tracing::error!("the commit thread of the event log panicked; the log takes no more records");
        core.queue.fail(&Error::closed(At::Log, "the commit thread panicked; restart the process"));
    }
}

struct Writer<'a> {
    core: &'a Core,
    ends: Vec<End>,
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
            let encoded: Vec<Encoded> = batches.iter().filter_map(|batch| encode(batch)).collect();
            faults::point("log.before-write");
            if let Err(error) = self.core.segments.write(&encoded) {
                self.fail(error, answers);
                return;
            }
            faults::point("log.after-write");
            self.core.tail.publish(batches);
            faults::point("log.before-acknowledgement");
            for (acknowledgement, offsets) in answers {
                acknowledgement.deliver(Ok(offsets));
            }
        }
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
        let mut batches = Vec::new();
        for end in self.ends.iter_mut().filter(|end| !end.fresh.is_empty()) {
            let mut records = Vec::new();
            let mut bytes = 0;
            for record in end.fresh.drain(..) {
                let size = record.bytes();
                if !records.is_empty() && (records.len() >= MAX_BATCH_RECORDS || bytes + size > MAX_BATCH_BYTES) {
                    batches.push(Arc::new(Recent { of: end.of, records: std::mem::take(&mut records) }));
                    bytes = 0;
                }
                bytes += size;
                records.push(record);
            }
            batches.push(Arc::new(Recent { of: end.of, records }));
        }
        batches
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

impl End {
    fn new((of, bounds): (TopicPartition, Bounds)) -> End {
        End { of, next_offset: bounds.end, recorded_at_ms: bounds.last_recorded_at_ms, fresh: Vec::new() }
    }
}

fn encode(batch: &Recent) -> Option<Encoded> {
    let base = batch.records.first()?.offset;
    Some(Encoded { of: batch.of, base, frame: frame::encode(&batch.records) })
}
