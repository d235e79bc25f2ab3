//! Who waits for a producer's acknowledgements, and what becomes of its reports.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;

use super::context::{Watching, log};
use super::errors::{client_is_lost, producer_has_ended, translated};
use crate::error::At;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::{Error, faults};

/// How many bits of a report's number tell the record's place in its batch; the rest is the batch's number.
const PLACE_BITS: u32 = 24;
/// How many records a batch may have.
pub(super) const BATCH_RECORDS_MAX: usize = (1 << PLACE_BITS) - 1;

/// The batches on their way, oldest first.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// The number of the oldest batch.
    oldest: u64,
    /// No batch is taken any more.
    closed: bool,
}

struct Batch {
    /// Records not reported yet.
    left: usize,
    offsets: Vec<u64>,
    failed: Option<Error>,
    done: Acknowledgement,
}

impl Waiting {
    fn at(&mut self, ahead: u64) -> Option<&mut Batch> {
        usize::try_from(ahead).ok().and_then(|place| self.batches.get_mut(place))
    }
}

/// Takes the producer's reports.
pub(super) struct Reports {
    waiting: Mutex<Waiting>,
    /// Told after every report: there may be room in the queue, or nothing on its way any more.
    reported: Condvar,
    pub(super) watching: Watching,
}

/// The number of the report of a batch's record.
pub(super) fn number(batch: u64, place: usize) -> usize {
    let place = u64::try_from(place).unwrap_or(u64::MAX);
    usize::try_from(batch << PLACE_BITS | place).unwrap_or(usize::MAX)
}

impl Reports {
    pub(super) fn new(watching: Watching) -> Reports {
        Reports { waiting: Mutex::default(), reported: Condvar::new(), watching }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch and gives its number; none once it is closed.
    pub(super) fn begin(&self, records: usize, done: Acknowledgement) -> Option<u64> {
        let mut waiting = self.lock();
        if waiting.closed {
            done.cancel();
            return None;
        }
        let number = waiting.oldest.saturating_add(u64::try_from(waiting.batches.len()).unwrap_or(u64::MAX));
        waiting.batches.push_back(Batch { left: records, offsets: vec![0; records], failed: None, done });
        Some(number)
    }

    /// Takes back the newest batch, of which nothing was queued. False if it was given up meanwhile, and so answered.
    pub(super) fn take_back(&self, number: u64) -> bool {
        let mut waiting = self.lock();
        let ahead = number.wrapping_sub(waiting.oldest);
        let there = waiting.at(ahead).is_some();
        if there && let Some(batch) = waiting.batches.pop_back() {
            batch.done.cancel();
        }
        there
    }

    /// The batch's last `records` will never be reported: they were not queued.
    pub(super) fn fail_rest(&self, number: u64, records: usize, error: Error) {
        let mut waiting = self.lock();
        let ahead = number.wrapping_sub(waiting.oldest);
        if let Some(batch) = waiting.at(ahead) {
            batch.left = batch.left.saturating_sub(records);
            batch.failed.get_or_insert(error);
        }
    }

    fn report(&self, number: u64, place: usize, result: Result<u64, Error>) {
        let mut waiting = self.lock();
        let ahead = number.wrapping_sub(waiting.oldest);
        let Some(batch) = waiting.at(ahead) else { return };
        batch.left = batch.left.saturating_sub(1);
        match result {
            Ok(offset) => {
                if let Some(slot) = batch.offsets.get_mut(place) {
                    *slot = offset;
                }
            }
            Err(error) => drop(batch.failed.get_or_insert(error)),
        }
        let finished = ahead == 0 && batch.left == 0;
        drop(waiting);
        if finished {
            self.answer();
        }
        self.reported.notify_all();
    }

    /// Answers the oldest batches that are finished; on the producer's thread alone, so their order is kept.
    pub(super) fn answer(&self) {
        loop {
            let batch = {
                let mut waiting = self.lock();
                let Some(_) = waiting.batches.front().filter(|batch| batch.left == 0) else { return };
                waiting.oldest = waiting.oldest.saturating_add(1);
                waiting.batches.pop_front()
            };
            let Some(Batch { offsets, failed, done, .. }) = batch else { return };
            faults::point("log.before-acknowledgement");
            done.deliver(failed.map_or(Ok(offsets), Err));
            self.reported.notify_all();
        }
    }

    /// Nothing more will be reported: every outcome is unknown.
    pub(super) fn give_up(&self) {
        let given_up = std::mem::take(&mut self.lock().batches);
        for batch in given_up {
            let what = "the program ended before the cluster acknowledged the records; their outcome is unknown";
            batch.done.deliver(Err(batch.failed.unwrap_or(Error::closed(At::Log, what))));
        }
        self.reported.notify_all();
    }

    /// Takes no batch from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether every batch is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().batches.is_empty()
    }

    /// Waits until every batch is answered, or until then; whether they are.
    pub(super) fn wait_until_empty(&self, deadline: Instant) -> bool {
        let mut waiting = self.lock();
        while !waiting.batches.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            waiting = self.reported.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits for the next report, at most so long.
    pub(super) fn wait_for_room(&self, within: Duration) {
        drop(self.reported.wait_timeout(self.lock(), within).unwrap_or_else(PoisonError::into_inner));
    }

    /// What the cluster says of a record's delivery.
    fn outcome(&self, result: &DeliveryResult<'_>) -> Result<u64, Error> {
        let Watching { names, known, .. } = &self.watching;
        match result {
            Ok(message) => {
                let to = names.partition(message.topic(), message.partition());
                // What stands there already, written by an earlier attempt, is acknowledged without its offset.
                let Ok(offset) = u64::try_from(message.offset()) else {
                    let what = "the cluster has the record but doesn't say where; its position is unknown";
                    return Err(Error::unavailable(to.map_or(At::Log, At::Partition), what));
                };
                if let Some(to) = to {
                    known.appended(to, offset, message.timestamp().to_millis().unwrap_or(0));
                    known.ends(to, offset.saturating_add(1));
                }
                Ok(offset)
            }
            Err((error, message)) => {
                let at = names.partition(message.topic(), message.partition()).map_or(At::Log, At::Partition);
                let code = error.rdkafka_error_code();
                let purged = matches!(code, Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight));
                Err(match error {
                    _ if purged && self.watching.sight.is_lost() => client_is_lost(at),
                    // A producer that can't go on throws away what it has not sent.
                    _ if purged && !self.is_closed() => producer_has_ended(at),
                    error => translated(at, error.clone()),
                })
            }
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(reason, "a Kafka producer can't go on");
        }
        self.watching.reach.tell(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if self.watching.sight.tell(&statistics) {
            self.watching.reach.answered();
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, report: usize) {
        let report = u64::try_from(report).unwrap_or(u64::MAX);
        let place = usize::try_from(report & ((1 << PLACE_BITS) - 1)).unwrap_or(usize::MAX);
        self.report(report >> PLACE_BITS, place, self.outcome(result));
    }
}
