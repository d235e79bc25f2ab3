//! A writer: an idempotent producer, and who waits for its acknowledgements.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig};

use super::context::{Reach, Watching, log};
use super::errors::translated;
use super::names::Names;
use super::{KafkaSettings, MESSAGE_MAX_BYTES};
use crate::Error;
use crate::error::At;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::{Appender, AppenderKind, Delivered, NewRecord};

/// How long the producer's thread waits for reports before it looks whether to end. The last millisecond of every wait is
/// spent spinning, in the client's wrapper.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a full queue is waited for before it is tried again.
const ROOM_WITHIN: Duration = Duration::from_millis(50);
/// How many bits of a report's number tell the record's place in its batch; the rest is the batch's number.
const PLACE_BITS: u32 = 24;
/// What a record may take in a batch beside key and value.
const RECORD_OVERHEAD: usize = 512;

/// The batches on their way, oldest first.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// The number of the oldest batch.
    oldest: u64,
}

struct Batch {
    /// Records not reported yet.
    left: usize,
    offsets: Vec<u64>,
    failed: Option<Error>,
    done: Acknowledgement,
}

/// Takes the producer's reports.
struct Reports {
    waiting: Mutex<Waiting>,
    /// Told after every report: there may be room in the queue, or nothing on its way any more.
    reported: Condvar,
    names: Arc<Names>,
    watching: Watching,
    closed: AtomicBool,
    /// Nobody appends any more.
    dropped: AtomicBool,
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch; the number of its first record's report.
    fn begin(&self, records: usize, done: Acknowledgement) -> u64 {
        let mut waiting = self.lock();
        let number = waiting.oldest.saturating_add(u64::try_from(waiting.batches.len()).unwrap_or(u64::MAX));
        waiting.batches.push_back(Batch { left: records, offsets: vec![0; records], failed: None, done });
        number
    }

    /// Takes back the newest batch, of which nothing was queued.
    fn take_back(&self, number: u64) {
        let mut waiting = self.lock();
        let ahead = number.wrapping_sub(waiting.oldest);
        if waiting.at(ahead).is_some()
            && let Some(batch) = waiting.batches.pop_back()
        {
            batch.done.cancel();
        }
    }

    /// The batch's last `records` will never be reported: they were not queued.
    fn fail_rest(&self, number: u64, records: usize, error: Error) {
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
    fn answer(&self) {
        loop {
            let batch = {
                let mut waiting = self.lock();
                let Some(_) = waiting.batches.front().filter(|batch| batch.left == 0) else { return };
                waiting.oldest = waiting.oldest.saturating_add(1);
                waiting.batches.pop_front()
            };
            let Some(Batch { offsets, failed, done, .. }) = batch else { return };
            done.deliver(failed.map_or(Ok(offsets), Err));
            self.reported.notify_all();
        }
    }

    /// Nothing more will be reported: every outcome is unknown.
    fn give_up(&self) {
        let given_up = std::mem::take(&mut self.lock().batches);
        for batch in given_up {
            let what = "the program ended before the cluster acknowledged the records; their outcome is unknown";
            batch.done.deliver(Err(batch.failed.unwrap_or(Error::closed(At::Log, what))));
        }
        self.reported.notify_all();
    }
}

impl Waiting {
    fn at(&mut self, ahead: u64) -> Option<&mut Batch> {
        usize::try_from(ahead).ok().and_then(|place| self.batches.get_mut(place))
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
        let reach: &Reach = &self.watching.reach;
        reach.tell(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, report: usize) {
        let report = u64::try_from(report).unwrap_or(u64::MAX);
        let place = usize::try_from(report & ((1 << PLACE_BITS) - 1)).unwrap_or(usize::MAX);
        let result = match result {
            Ok(message) => {
                let offset = u64::try_from(message.offset()).unwrap_or(0);
                if let Some(to) = self.names.partition(message.topic(), message.partition()) {
                    self.watching.known.ends(to, offset.saturating_add(1));
                    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                    self.watching.known.appended(to, offset, i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
                }
                Ok(offset)
            }
            Err((error, message)) => {
                let at = self.names.partition(message.topic(), message.partition());
                Err(translated(at.map_or(At::Log, At::Partition), error.clone()))
            }
        };
        self.report(report >> PLACE_BITS, place, result);
    }
}

/// A producer and its thread, which outlives the appender until everything is answered.
pub(super) struct Producing {
    producer: BaseProducer<Reports>,
    /// Held while a batch is queued: batches keep the order of the calls.
    order: Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The handle that appends.
pub(super) struct KafkaAppender(Arc<Producing>);

impl Producing {
    /// A producer of that kind, with its thread.
    pub(super) fn start(
        settings: &KafkaSettings,
        kind: AppenderKind,
        watching: &Watching,
    ) -> Result<(KafkaAppender, Arc<Producing>), Error> {
        let reports = Reports {
            waiting: Mutex::default(),
            reported: Condvar::new(),
            names: Arc::clone(&watching.names),
            watching: watching.clone(),
            closed: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
        };
        let producer: BaseProducer<Reports> =
            settings.producer(kind).create_with_context(reports).map_err(|error| translated(At::Log, error))?;
        let producing = Arc::new(Producing { producer, order: Mutex::new(()), thread: Mutex::default() });
        let served = Arc::clone(&producing);
        let thread = std::thread::Builder::new().name("producer".to_owned()).spawn(move || served.serve());
        let thread = thread.map_err(|error| {
            Error::unavailable(At::Log, "the system gives no thread for a producer").with_source(error)
        })?;
        *producing.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok((KafkaAppender(Arc::clone(&producing)), producing))
    }

    fn reports(&self) -> &Reports {
        self.producer.context()
    }

    /// Takes reports until nobody can ask for more.
    fn serve(&self) {
        let reports = self.reports();
        loop {
            self.producer.poll(LOOK_EVERY);
            reports.answer();
            let ends = reports.dropped.load(Ordering::Acquire) || reports.closed.load(Ordering::Acquire);
            if ends && reports.lock().batches.is_empty() {
                return;
            }
        }
    }

    /// Takes no more, and waits until all is answered; what isn't by the deadline is given up: its outcome is unknown.
    pub(super) fn close(&self, deadline: Instant) {
        let reports = self.reports();
        reports.closed.store(true, Ordering::Release);
        let mut waiting = reports.lock();
        while !waiting.batches.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = reports.reported.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let all_answered = waiting.batches.is_empty();
        drop(waiting);
        if !all_answered {
            tracing::warn!("the cluster does not acknowledge: what is on its way is given up, its outcome unknown");
            self.producer.purge(PurgeConfig::default().queue().inflight());
            reports.give_up();
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("a producer's thread ended in a panic");
        }
    }

    /// Whether its thread has ended: there is nothing to close.
    pub(super) fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Queues one record; waits while the queue is full.
    fn queue(&self, record: &NewRecord, report: u64) -> Result<(), Error> {
        let reports = self.reports();
        let partition = i32::try_from(record.to.partition).unwrap_or(i32::MAX);
        let report = usize::try_from(report).unwrap_or(usize::MAX);
        let mut ready = BaseRecord::<[u8], [u8], usize>::with_opaque_to(reports.names.name(record.to.topic), report)
            .partition(partition);
        ready.key = record.key.as_deref();
        ready.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            ready.headers = Some(headers(&record.headers));
        }
        loop {
            match self.producer.send(ready) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => ready = again,
                Err((error, _)) => return Err(translated(record.to, error)),
            }
            if reports.closed.load(Ordering::Acquire) {
                return Err(closed());
            }
            let waiting = reports.lock();
            drop(reports.reported.wait_timeout(waiting, ROOM_WITHIN).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Appender for KafkaAppender {
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
        let KafkaAppender(producing) = self;
        let (reports, done) = (producing.reports(), Acknowledgement::new(done));
        if let Err(error) = check(&batch, &reports.names) {
            done.cancel();
            return Err(error);
        }
        let _order = producing.order.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.closed.load(Ordering::Acquire) {
            done.cancel();
            return Err(closed());
        }
        let number = reports.begin(batch.len(), done);
        for (place, record) in batch.iter().enumerate() {
            let report = number << PLACE_BITS | u64::try_from(place).unwrap_or(u64::MAX);
            match producing.queue(record, report) {
                Ok(()) => {}
                Err(error) if place == 0 => {
                    reports.take_back(number);
                    return Err(error);
                }
                Err(error) => {
                    reports.fail_rest(number, batch.len().saturating_sub(place), error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Drop for KafkaAppender {
    fn drop(&mut self) {
        self.0.reports().dropped.store(true, Ordering::Release);
    }
}

fn closed() -> Error {
    Error::closed(At::Log, "the log is closed; nothing more is written")
}

fn check(batch: &[NewRecord], names: &Names) -> Result<(), Error> {
    if batch.len() >> PLACE_BITS > 0 {
        return Err(Error::refused(At::Log, "a batch has too many records"));
    }
    for record in batch {
        if !names.has(record.to) {
            let what = format!("there is no such partition; every topic has {}", names.partitions());
            return Err(Error::refused(record.to, what));
        }
        let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = record.headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        let bytes = of(&record.key).saturating_add(of(&record.value)).saturating_add(headers);
        if bytes.saturating_add(RECORD_OVERHEAD) > usize::try_from(MESSAGE_MAX_BYTES).unwrap_or(usize::MAX) {
            return Err(Error::refused(record.to, format!("a record of {bytes} bytes is larger than Kafka takes")));
        }
    }
    Ok(())
}

fn headers(of: &[(String, Bytes)]) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(of.len());
    of.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(&**value) }))
}
