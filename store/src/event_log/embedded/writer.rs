//! The commit thread: takes all that is queued, writes and syncs it, makes it readable, answers.
//! While one group is being synced the next one gathers, so there is no artificial delay. A small group is an entry of the journal;
//! when enough of them are gathered, another thread puts them in their places.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use orderledger_domain::position::TopicPartition;

use crate::error::At;
use crate::event_log::Record;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::embedded::Core;
use crate::event_log::embedded::batches::{Bounds, Encoded};
use crate::event_log::embedded::cut::{Batch, cut, encoded};
use crate::event_log::embedded::journal::Journal;
use crate::event_log::embedded::placing::{self, Gathered, in_their_places};
use crate::event_log::embedded::queue::Waiting;
use crate::event_log::embedded::tail::{Place, Recent, index};
use crate::{Error, Urgency, faults};

/// Runs until the log is closed and drained, or until a write fails.
pub(super) fn run(core: &Core, partitions: Vec<(TopicPartition, Bounds)>) {
    let ends = partitions.into_iter().map(End::new).collect();
    let mut writer = Writer { core, ends, journal: None, gathered: Vec::new(), gathered_bytes: 0 };
    thread::scope(|threads| {
        let placing = thread::Builder::new().name("log-place".to_owned());
        if let Err(error) = placing.spawn_scoped(threads, || placing::run(core)) {
            tracing::error!(%error, "the event log can't start a thread; it takes no records");
            core.queue.fail(&Error::closed(At::Log, "it can't start a thread; restart the process").with_source(error));
            return;
        }
        let ended = catch_unwind(AssertUnwindSafe(|| writer.run()));
        core.placing.end();
        if ended.is_err() {
            tracing::error!("the commit thread of the event log panicked; the log takes no more records");
            core.queue.fail(&Error::closed(At::Log, "the commit thread panicked; restart the process"));
        }
    });
}

struct Writer<'a> {
    core: &'a Core,
    ends: Vec<End>,
    /// Begun with the first small group.
    journal: Option<Journal>,
    /// What is in this half of the journal.
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
        let mut urgency = Urgency::default();
        while let Some(group) = self.core.queue.take() {
            let answers = self.place(group);
            let batches = self.cut();
            faults::point("log.before-write");
            let bytes = batches.iter().flat_map(|batch| &batch.records).map(Record::bytes).sum();
            urgency.be(!self.is_large(bytes));
            let place = match self.write(&batches, bytes) {
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
        if let Err(error) = self.end() {
            tracing::warn!(%error, "the event log's journal stays: the next start puts it in its place");
        }
    }

    /// Writes a group; it is on the disk when this returns.
    fn write(&mut self, group: &[Arc<Recent>], bytes: usize) -> Result<Place, Error> {
        if group.is_empty() {
            return Ok(Place::Journal);
        }
        if self.is_large(bytes) || !self.gather(group, bytes)? {
            self.put_in_place(group)?;
            return Ok(Place::Batches);
        }
        self.gathered.extend_from_slice(group);
        self.gathered_bytes = self.gathered_bytes.saturating_add(bytes);
        Ok(Place::Journal)
    }

    /// A large group comes to its places at about the price of one entry, and is no single order that somebody waits for.
    fn is_large(&self, bytes: usize) -> bool {
        bytes > self.core.gathered_bytes / 4
    }

    /// Writes a group as an entry of the journal; `false`: it is too long for one.
    fn gather(&mut self, group: &[Arc<Recent>], bytes: usize) -> Result<bool, Error> {
        let encoded = as_they_are(group);
        let full = self.gathered_bytes.saturating_add(bytes) > self.core.gathered_bytes;
        let journal = match &mut self.journal {
            Some(journal) => journal,
            none => none.insert(begin(self.core)?),
        };
        if !full && journal.append(&encoded)? {
            return Ok(true);
        }
        if self.gathered.is_empty() {
            return Ok(false);
        }
        let batches = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        // The other half is free once this has taken over.
        self.core.placing.hand_over(Gathered { batches, mark: journal.mark() })?;
        journal.turn();
        journal.append(&encoded)
    }

    /// Puts what is gathered in its place, and these behind it, in one transaction.
    fn put_in_place(&mut self, group: &[Arc<Recent>]) -> Result<(), Error> {
        self.core.placing.wait()?;
        let mut all = std::mem::take(&mut self.gathered);
        all.extend_from_slice(group);
        self.gathered_bytes = 0;
        let mark = self.journal.as_mut().map(Journal::pass);
        self.core.segments.write(&in_their_places(&all, self.core.partitions), mark)
    }

    /// Puts all in its place. After an orderly end a release that knows no journal can go on, and a start has nothing to put in its place.
    fn end(&mut self) -> Result<(), Error> {
        self.core.placing.wait()?;
        if self.journal.take().is_none() {
            return Ok(());
        }
        self.core.segments.write(&in_their_places(&self.gathered, self.core.partitions), None)
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

/// The journal's halves have room for many more entries than are gathered, each of which takes whole pages.
fn begin(core: &Core) -> Result<Journal, Error> {
    let half_bytes = core.gathered_bytes.saturating_mul(4).clamp(HALF_BYTES_MIN, HALF_BYTES_MAX) as u64;
    let journal = Journal::begin(core.segments.log(), half_bytes)?;
    faults::point("journal.before-mark");
    core.segments.write(&[], Some(journal.mark()))?;
    Ok(journal)
}

const HALF_BYTES_MIN: usize = 64 * 1024;
const HALF_BYTES_MAX: usize = 16 * 1024 * 1024;

fn as_they_are(group: &[Arc<Recent>]) -> Vec<Encoded> {
    group.iter().filter_map(|batch| encoded(batch.of, &batch.records)).collect()
}

impl End {
    fn new((of, bounds): (TopicPartition, Bounds)) -> End {
        End { of, next_offset: bounds.end, recorded_at_ms: bounds.last_recorded_at_ms, fresh: Vec::new() }
    }
}
