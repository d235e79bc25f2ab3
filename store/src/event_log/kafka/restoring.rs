//! Topics that are filled from another log, with its offsets and append times.
//!
//! A partition's offsets follow from how many records were written, so each acknowledgement must name the offset that the record had.
//! Holes are made as they once came about: what a transaction aborted, and the markers of its end, take offsets and are never read
//! (KIP-98).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};
use orderledger_domain::position::TopicPartition;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Message, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use super::KafkaSettings;
use super::appender::headers;
use super::errors::translated;
use crate::Error;
use crate::error::At;
use crate::event_log::{AppenderKind, Record, Restoring};

/// How long one answer of the cluster is waited for; longer than a record may be on its way.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long a transaction may be open: as long as `topics check` lets brokers allow it (`transaction.max.timeout.ms`).
const TRANSACTION_MAX_MS: &str = "10000";
/// How long a full queue is waited for before it is tried again.
const ROOM_WITHIN: Duration = Duration::from_millis(50);
/// Offsets that one aborted transaction takes at most, beside its marker.
const FILLED_AT_ONCE: u64 = 10_000;

/// Empty topics that take the records of another log; [`super::topics::create_to_restore`] makes them.
pub struct KafkaRestoring {
    settings: KafkaSettings,
    plain: BaseProducer<Landing>,
    /// Made when the first hole comes.
    transactional: Option<BaseProducer<Landing>>,
    /// The newest record of each partition that is not sent yet: a hole behind it decides how it is.
    held: BTreeMap<TopicPartition, Record>,
}

/// What became of the records: the first thing that went wrong.
#[derive(Default)]
struct Landing(Mutex<Option<Error>>);

impl KafkaRestoring {
    /// Writes to the topics of these settings, which must be empty and take append times along.
    pub fn start(settings: &KafkaSettings) -> Result<KafkaRestoring, Error> {
        let mut config = settings.producer(AppenderKind::Client);
        config.set("linger.ms", "20").set("statistics.interval.ms", "0");
        let plain = config.create_with_context(Landing::default()).map_err(|error| translated(At::Log, error))?;
        Ok(KafkaRestoring { settings: settings.clone(), plain, transactional: None, held: BTreeMap::new() })
    }

    /// Sends the record that was held, and makes so many offsets behind it a hole.
    fn settle(&mut self, of: TopicPartition, held: Option<Record>, behind: u64, hole: u64) -> Result<(), Error> {
        match (held, hole) {
            (None, 1) => {
                Err(Error::refused(of.offset(behind), "a hole of one offset at the beginning can't be made again"))
            }
            // The marker of a committed transaction takes the one offset behind it.
            (Some(record), 1) => self.in_transaction(of, &[record], true),
            (held, mut hole) => {
                if let Some(record) = held {
                    send(&self.plain, &self.settings, of, &record)?;
                }
                let mut at = behind;
                while hole > 0 {
                    let filled = match hole.saturating_sub(1).min(FILLED_AT_ONCE) {
                        // What is left must not be one offset.
                        most if hole.saturating_sub(most) == 2 => most.saturating_sub(1),
                        most => most,
                    };
                    let lost: Vec<Record> = (at..at.saturating_add(filled)).map(aborted).collect();
                    self.in_transaction(of, &lost, false)?;
                    let taken = filled.saturating_add(1);
                    (at, hole) = (at.saturating_add(taken), hole.saturating_sub(taken));
                }
                Ok(())
            }
        }
    }

    /// Writes records in a transaction of their own, and its end.
    fn in_transaction(&mut self, of: TopicPartition, records: &[Record], commits: bool) -> Result<(), Error> {
        // What stands before must be there first.
        landed(&self.plain)?;
        let wrong = |error| translated(of, error);
        let producer = match &self.transactional {
            Some(producer) => producer,
            None => {
                let mut config = self.settings.producer(AppenderKind::Client);
                config.set("transactional.id", self.settings.group("restore"));
                config.set("statistics.interval.ms", "0");
                config.set("transaction.timeout.ms", TRANSACTION_MAX_MS).set("message.timeout.ms", TRANSACTION_MAX_MS);
                let producer: BaseProducer<Landing> = config.create_with_context(Landing::default()).map_err(wrong)?;
                producer.init_transactions(ANSWER_WITHIN).map_err(wrong)?;
                self.transactional.insert(producer)
            }
        };
        producer.begin_transaction().map_err(wrong)?;
        records.iter().try_for_each(|record| send(producer, &self.settings, of, record))?;
        // An abort would take back what is not sent yet, and leave no hole.
        landed(producer)?;
        if commits { producer.commit_transaction(ANSWER_WITHIN) } else { producer.abort_transaction(ANSWER_WITHIN) }
            .map_err(wrong)?;
        let marker = records.last().map_or(0, |record| record.offset.saturating_add(1));
        stands(producer, &self.settings, of, marker)
    }
}

impl Restoring for KafkaRestoring {
    fn take(&mut self, of: TopicPartition, records: Vec<Record>) -> Result<(), Error> {
        for record in records {
            let at = record.offset;
            let held = self.held.insert(of, record);
            let behind = held.as_ref().map_or(0, |held| held.offset.saturating_add(1));
            let hole = at.checked_sub(behind).ok_or_else(|| Error::refused(of.offset(at), "records go back"))?;
            self.settle(of, held, behind, hole)?;
        }
        self.plain.context().check()
    }

    fn end(&mut self, of: TopicPartition, at: u64) -> Result<(), Error> {
        let held = self.held.remove(&of);
        let behind = held.as_ref().map_or(0, |held| held.offset.saturating_add(1));
        self.settle(of, held, behind, at.saturating_sub(behind))
    }

    fn sync(&mut self) -> Result<(), Error> {
        landed(&self.plain)
    }
}

/// Waits until this offset is taken. The coordinator answers the end of a transaction before its marker is in the partition
/// (KIP-98), and a record of another producer could come in between.
fn stands(
    producer: &BaseProducer<Landing>,
    settings: &KafkaSettings,
    of: TopicPartition,
    offset: u64,
) -> Result<(), Error> {
    let partition = i32::try_from(of.partition).unwrap_or(i32::MAX);
    let topic = settings.topic(of.topic);
    let asked = || match producer.client().fetch_watermarks(&topic, partition, ANSWER_WITHIN) {
        Ok((_, end)) if u64::try_from(end).is_ok_and(|end| end > offset) => Ok(()),
        Ok((_, end)) => {
            let what = format!("the end of a transaction is not in the partition yet: it ends at {end}; try again");
            Err(Error::unavailable(of.offset(offset), what))
        }
        Err(error) => Err(translated(of, error)),
    };
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(1))
        .with_max_delay(Duration::from_millis(100))
        .without_max_times()
        .with_total_delay(Some(ANSWER_WITHIN));
    asked.retry(pauses).when(|error| matches!(error, Error::Unavailable { .. })).call()
}

/// What stands in a hole; nobody ever reads it.
fn aborted(offset: u64) -> Record {
    // The oldest time that is one: what is read by time finds it before everything else, and passes it.
    Record { offset, recorded_at_ms: 1, key: None, value: None, headers: Vec::new() }
}

fn send(
    producer: &BaseProducer<Landing>,
    settings: &KafkaSettings,
    of: TopicPartition,
    record: &Record,
) -> Result<(), Error> {
    let at = of.offset(record.offset);
    if record.recorded_at_ms <= 0 {
        return Err(Error::refused(at, "its append time lies before 1970, which Kafka can't keep"));
    }
    let (name, partition) = (settings.topic(of.topic), i32::try_from(of.partition).unwrap_or(i32::MAX));
    let offset = usize::try_from(record.offset).unwrap_or(usize::MAX);
    let mut ready = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&name, offset).partition(partition);
    ready = ready.timestamp(record.recorded_at_ms);
    ready.key = record.key.as_deref();
    ready.payload = record.value.as_deref();
    if !record.headers.is_empty() {
        ready.headers = Some(headers(&record.headers));
    }
    loop {
        match producer.send(ready) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(Code::QueueFull), again)) => ready = again,
            Err((KafkaError::MessageProduction(Code::MessageSizeTooLarge), _)) => {
                return Err(Error::refused(at, "the record is larger than Kafka takes, so this log can't stand there"));
            }
            Err((error, _)) => return Err(translated(at, error)),
        }
        producer.poll(ROOM_WITHIN);
        producer.context().check()?;
    }
    producer.poll(Duration::ZERO);
    Ok(())
}

/// Waits until all that was sent is acknowledged.
fn landed(producer: &BaseProducer<Landing>) -> Result<(), Error> {
    producer.flush(ANSWER_WITHIN).map_err(|error| translated(At::Log, error))?;
    producer.context().check()
}

impl Landing {
    fn check(&self) -> Result<(), Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

impl ClientContext for Landing {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }
}

impl ProducerContext for Landing {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, expected: usize) {
        let place = |message: &rdkafka::message::BorrowedMessage<'_>| {
            format!("{}, partition {}, offset {expected}", message.topic(), message.partition())
        };
        let wrong = match result {
            Err((error, _)) if error.rdkafka_error_code() == Some(Code::InvalidTimestamp) => Error::refused(
                At::Log,
                "the brokers do not take an append time that lies so far from theirs; set their clocks right, or the topics' \
                 message.timestamp.before.max.ms and message.timestamp.after.max.ms",
            ),
            Err((error, _)) => translated(At::Log, error.clone()),
            Ok(message) if i64::try_from(expected) != Ok(message.offset()) => {
                let what = format!(
                    "{} was written as offset {}: somebody else writes to the topics; delete them and begin again, alone",
                    place(message),
                    message.offset()
                );
                Error::refused(At::Log, what)
            }
            Ok(message) if matches!(message.timestamp(), Timestamp::LogAppendTime(_)) => {
                let what =
                    format!("{} was stamped by the broker: its append time is lost; begin again", place(message));
                Error::refused(At::Log, what)
            }
            Ok(_) => return,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wrong);
    }
}
