//! A writer: an idempotent producer, and its thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::context::Watching;
use super::errors::{no_other_client, translated};
use super::names::Names;
use super::reports::{BATCH_RECORDS_MAX, Reports, number};
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
/// How long it may take until all that a producer gives up is reported.
const PURGED_WITHIN: Duration = Duration::from_secs(2);
/// What a record may take in a batch beside key and value.
const RECORD_OVERHEAD: usize = 512;

/// All producers of a log that may still owe answers.
#[derive(Clone, Default)]
pub(super) struct Producers(Arc<Mutex<Vec<Arc<Producing>>>>);

impl Producers {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Producing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, producing: Arc<Producing>) {
        self.lock().push(producing);
    }

    /// Forgets one that has ended: nobody would take what it still tells, and that would pile up.
    fn remove(&self, ended: &Arc<Producing>) {
        self.lock().retain(|producing| !Arc::ptr_eq(producing, ended));
    }

    /// Closes them all; see [`Producing::close`].
    pub(super) fn close(&self, deadline: Instant) {
        let producers = std::mem::take(&mut *self.lock());
        for producing in producers {
            producing.close(deadline);
        }
    }
}

/// A producer and its thread, which outlives the appender until everything is answered.
struct Producing {
    producer: BaseProducer<Reports>,
    /// Nobody appends any more.
    dropped: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The handle that appends.
pub(super) struct KafkaAppender {
    kind: AppenderKind,
    settings: KafkaSettings,
    watching: Watching,
    producers: Producers,
    /// Held while a batch is queued: batches keep the order of the calls.
    producing: Mutex<Arc<Producing>>,
}

impl KafkaAppender {
    /// An appender of that kind, with a producer of its own.
    pub(super) fn new(
        settings: &KafkaSettings,
        kind: AppenderKind,
        watching: &Watching,
        producers: &Producers,
    ) -> Result<KafkaAppender, Error> {
        let producing = Producing::start(settings, kind, watching, producers)?;
        let (settings, watching, producers) = (settings.clone(), watching.clone(), producers.clone());
        Ok(KafkaAppender { kind, settings, watching, producers, producing: Mutex::new(producing) })
    }

    /// Another producer, where one that can't go on has no stage that would begin again.
    fn replace_ended(&self, producing: &mut Arc<Producing>) -> Result<(), Error> {
        let can_go_on = !producing.is_lost() && producing.producer.client().fatal_error().is_none();
        if self.kind != AppenderKind::Client || can_go_on || producing.reports().is_closed() {
            return Ok(());
        }
        // Its batches are answered before those of the other one.
        producing.purge();
        producing.reports().wait_until_empty(Instant::now() + PURGED_WITHIN);
        let another = Producing::start(&self.settings, self.kind, &self.watching, &self.producers)?;
        std::mem::replace(producing, another).dropped.store(true, Ordering::Release);
        Ok(())
    }
}

impl Producing {
    /// A producer of that kind, with its thread.
    fn start(
        settings: &KafkaSettings,
        kind: AppenderKind,
        watching: &Watching,
        producers: &Producers,
    ) -> Result<Arc<Producing>, Error> {
        let reports = Reports::new(watching.of_another());
        let producer: BaseProducer<Reports> =
            settings.producer(kind).create_with_context(reports).map_err(no_other_client)?;
        let producing = Arc::new(Producing { producer, dropped: AtomicBool::new(false), thread: Mutex::default() });
        let (served, all) = (Arc::clone(&producing), producers.clone());
        producers.add(Arc::clone(&producing));
        let thread = std::thread::Builder::new().name("producer".to_owned()).spawn(move || {
            served.serve();
            all.remove(&served);
        });
        match thread {
            Ok(thread) => *producing.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread),
            Err(error) => {
                producers.remove(&producing);
                let what = "the system gives no thread for a producer";
                return Err(Error::unavailable(At::Log, what).with_source(error));
            }
        }
        Ok(producing)
    }

    fn reports(&self) -> &Reports {
        self.producer.context()
    }

    /// Takes reports until nobody can ask for more.
    fn serve(&self) {
        let reports = self.reports();
        loop {
            self.producer.poll(LOOK_EVERY);
            if self.is_lost() && !reports.is_empty() {
                self.purge();
            }
            reports.answer();
            let ends = self.dropped.load(Ordering::Acquire) || reports.is_closed();
            if ends && reports.is_empty() {
                return;
            }
        }
    }

    /// Takes no more, and waits until all is answered; what isn't by the deadline is given up: its outcome is unknown.
    fn close(&self, deadline: Instant) {
        let reports = self.reports();
        reports.close();
        if !reports.wait_until_empty(deadline) {
            tracing::warn!("the cluster does not acknowledge: what is on its way is given up, its outcome unknown");
            self.purge();
            reports.give_up();
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("a producer's thread ended in a panic");
        }
    }

    /// Whether it knows no broker any more.
    fn is_lost(&self) -> bool {
        self.reports().watching.sight.is_lost()
    }

    /// Gives up what is not acknowledged: of each such record it is reported.
    fn purge(&self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Queues one record; waits while the queue is full.
    fn queue(&self, record: &NewRecord, report: usize) -> Result<(), Error> {
        let reports = self.reports();
        let partition = i32::try_from(record.to.partition).unwrap_or(i32::MAX);
        let name = reports.watching.names.name(record.to.topic);
        let mut ready = BaseRecord::<[u8], [u8], usize>::with_opaque_to(name, report).partition(partition);
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
            if reports.is_closed() {
                return Err(closed());
            }
            reports.wait_for_room(ROOM_WITHIN);
        }
    }
}

impl Appender for KafkaAppender {
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
        let done = Acknowledgement::new(done);
        if let Err(error) = self.watching.check() {
            done.cancel();
            return Err(error);
        }
        let mut producing = self.producing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = check(&batch, &self.watching.names).and_then(|()| self.replace_ended(&mut producing)) {
            done.cancel();
            return Err(error);
        }
        let reports = producing.reports();
        let Some(batch_number) = reports.begin(batch.len(), done) else { return Err(closed()) };
        for (place, record) in batch.iter().enumerate() {
            match producing.queue(record, number(batch_number, place)) {
                Ok(()) => {}
                Err(error) if place == 0 => {
                    return if reports.take_back(batch_number) { Err(error) } else { Ok(()) };
                }
                Err(error) => {
                    reports.fail_rest(batch_number, batch.len().saturating_sub(place), error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Drop for KafkaAppender {
    fn drop(&mut self) {
        let producing = self.producing.get_mut().unwrap_or_else(PoisonError::into_inner);
        producing.dropped.store(true, Ordering::Release);
    }
}

fn closed() -> Error {
    Error::closed(At::Log, "the log is closed; nothing more is written")
}

fn check(batch: &[NewRecord], names: &Names) -> Result<(), Error> {
    if batch.len() > BATCH_RECORDS_MAX {
        return Err(Error::refused(At::Log, "a batch has too many records"));
    }
    for record in batch {
        names.check(record.to)?;
        let of = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        let headers: usize = record.headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        let bytes = of(&record.key).saturating_add(of(&record.value)).saturating_add(headers);
        if bytes.saturating_add(RECORD_OVERHEAD) > usize::try_from(MESSAGE_MAX_BYTES).unwrap_or(usize::MAX) {
            return Err(Error::refused(record.to, format!("a record of {bytes} bytes is larger than Kafka takes")));
        }
    }
    Ok(())
}

pub(super) fn headers(of: &[(String, Bytes)]) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(of.len());
    of.iter().fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(&**value) }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::event_log::kafka::known::Known;

    #[test]
    fn a_producer_that_nobody_has_any_more_is_forgotten() {
        // Nobody listens there.
        let settings = KafkaSettings { brokers: "127.0.0.1:1".to_owned(), ..KafkaSettings::default() };
        let names = Arc::new(Names::new(&settings, 1));
        let watching = Watching::new(names, Arc::new(Known::new(1)), Arc::default());
        let producers = Producers::default();
        for kind in [AppenderKind::Stage, AppenderKind::Client] {
            drop(KafkaAppender::new(&settings, kind, &watching, &producers).unwrap());
        }
        let begun = Instant::now();
        while !producers.lock().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20), "they are kept, and what they tell piles up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
