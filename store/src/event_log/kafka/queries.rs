//! Questions to the cluster: names and counts of its topics, where partitions begin and end, records at any offset.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BlockingRetryable, ExponentialBuilder};
use orderledger_domain::position::{Topic, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::asking::{Asking, ONE_QUESTION, heard, listen};
use super::context::{Reach, Watching, now_ms};
use super::errors::{no_other_client, passes, translated};
use super::known::Known;
use super::names::Names;
use super::{KafkaSettings, reader};
use crate::Error;
use crate::error::At;
use crate::event_log::{READ_BYTES, ReaderKind, Record};

/// How many readings at any offset run at once; each has a consumer of its own.
const READINGS: usize = 8;
/// How many idle consumers are kept for reading at any offset; each holds at most a few MiB.
const IDLE_CONSUMERS: usize = 4;

/// How many partitions each topic has, where the cluster knows it.
type Counts = [(Topic, Option<u32>); Topic::ALL.len()];

/// Asks the cluster; a question that gets no answer is repeated with growing pauses for a while.
pub(super) struct Queries {
    settings: KafkaSettings,
    watching: Watching,
    client: Asking,
    /// For the last stable offsets. A reading consumer is never asked: its connection is busy waiting for records.
    stable: Asking,
    patience: Duration,
    idle: Mutex<Vec<Idle>>,
    readings: Slots,
}

/// A consumer between two readings, and where it would go on.
struct Idle {
    consumer: BaseConsumer<Watching>,
    next: (TopicPartition, u64),
}

impl Queries {
    /// Finds out how many partitions the topics have; refuses missing topics and different counts.
    pub(super) fn connect(
        settings: &KafkaSettings,
        partitions: Option<u32>,
        patience: Duration,
    ) -> Result<(Queries, String), Error> {
        let reach = Arc::new(Reach::default());
        let of = |partitions| {
            let names = Arc::new(Names::new(settings, partitions));
            Watching::new(names, Arc::new(Known::new(partitions)), Arc::clone(&reach))
        };
        let asking = || settings.asking().create_with_context(of(0)).map_err(|error| translated(At::Log, error));
        let client: BaseConsumer<Watching> = asking()?;
        let found = patiently(patience, || partition_counts(settings, &client, &reach))?;
        let cluster = patiently(patience, || cluster_id(settings, &client, &reach))?;
        let partitions = agreed(settings, &found, partitions)?;
        let watching = of(partitions);
        let asking = |isolation| Asking::new(settings, isolation, &watching);
        let (client, stable) = (asking("read_uncommitted")?, asking("read_committed")?);
        let (idle, readings) = (Mutex::default(), Slots::new(READINGS));
        Ok((Queries { settings: settings.clone(), watching, client, stable, patience, idle, readings }, cluster))
    }

    pub(super) const fn watching(&self) -> &Watching {
        &self.watching
    }

    /// From now on a question is repeated for so long.
    pub(super) const fn be_patient(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The high watermarks.
    pub(super) fn ends(&self, of: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        let ends = self.offsets(&self.client, of, Offset::End)?;
        for (of, end) in &ends {
            self.watching.known.seen_to_end(*of, *end, now_ms());
        }
        Ok(ends)
    }

    /// The last stable offset: what lies above it, in an open transaction, is not to be waited for.
    pub(super) fn stable_end(&self, of: TopicPartition) -> Result<u64, Error> {
        Ok(self.offsets(&self.stable, &[of], Offset::End)?.get(&of).copied().unwrap_or(0))
    }

    /// The offsets of the first records still held.
    pub(super) fn firsts(&self, of: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        self.offsets(&self.client, of, Offset::Beginning)
    }

    fn offsets(
        &self,
        client: &Asking,
        of: &[TopicPartition],
        which: Offset,
    ) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        let names = &self.watching.names;
        let all = list(names, of.iter().map(|of| (*of, which)))?;
        patiently(self.patience, || {
            let found = client.offsets(&all).map_err(|error| self.no(error))?;
            self.watching.reach.answered();
            let mut offsets = BTreeMap::new();
            for element in found.elements() {
                let Some(at) = names.partition(element.topic(), element.partition()) else { continue };
                element.error().map_err(|error| translated(at, error))?;
                if let Some(offset) = element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok()) {
                    offsets.insert(at, offset);
                }
            }
            match of.iter().find(|of| !offsets.contains_key(of)) {
                None => Ok(offsets),
                Some(missing) => Err(Error::unavailable(*missing, "the cluster didn't say where the partition ends")),
            }
        })
    }

    /// The answers to one such question of each partition, none where there is no such record; asked once.
    pub(super) fn offsets_now(
        &self,
        of: &[TopicPartition],
        which: impl Fn(TopicPartition) -> Offset,
    ) -> Result<BTreeMap<TopicPartition, Option<u64>>, Error> {
        if of.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = &self.watching.names;
        let all = list(names, of.iter().map(|of| (*of, which(*of))))?;
        let late = |error: &KafkaError| error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut);
        let mut found = self.client.offsets(&all);
        if found.as_ref().is_err_and(late) {
            found = self.client.offsets(&all);
        }
        // Other failures tell of themselves, and are no answer.
        if found.is_ok() || found.as_ref().is_err_and(late) {
            self.watching.reach.heard(found.is_ok());
        }
        let found = found.map_err(|error| self.no(error))?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            let Some(at) = names.partition(element.topic(), element.partition()) else { continue };
            element.error().map_err(|error| Error::unavailable(at, "the cluster doesn't say it").with_source(error))?;
            let offset = element.offset().to_raw().and_then(|offset| u64::try_from(offset).ok());
            offsets.insert(at, offset);
        }
        Ok(offsets)
    }

    /// The topics that the cluster doesn't know, which may last for a moment only.
    pub(super) fn missing_now(&self) -> Result<Vec<Topic>, Error> {
        let counts =
            self.client.with(|client| heard(counts(&self.settings, client))).map_err(|error| self.no(error))?;
        Ok(counts.into_iter().filter(|(_, count)| count.is_none()).map(|(topic, _)| topic).collect())
    }

    fn no(&self, error: KafkaError) -> Error {
        no_answer(&self.settings, &self.watching.reach, error)
    }

    /// Up to `max` records from there on, and [`READ_BYTES`]; none only at the end of what readers may see.
    pub(super) fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        let end = self.stable_end(of)?;
        if max == 0 || from >= end {
            return Ok(Vec::new());
        }
        let _slot = self.readings.take();
        let records = patiently(self.patience, || self.read_once(of, from, max, end))?;
        // Such are the records that a start looks at where it goes on, and each partition's first one.
        if let Some(first) = records.first() {
            self.watching.known.found(of, first.offset, first.recorded_at_ms);
        }
        Ok(records)
    }

    fn read_once(&self, of: TopicPartition, from: u64, max: usize, end: u64) -> Result<Vec<Record>, Error> {
        let consumer = self.consumer_at(of, from)?;
        let (mut records, mut bytes, mut next) = (Vec::new(), 0_usize, from);
        let deadline = Instant::now() + ONE_QUESTION;
        while records.len() < max && bytes < READ_BYTES && next < end {
            match consumer.poll(Duration::from_millis(20)) {
                Some(Ok(message)) => {
                    let record = reader::record(&message);
                    next = record.offset.saturating_add(1);
                    bytes = bytes.saturating_add(record.bytes());
                    records.push(record);
                }
                Some(Err(error)) if !passes(&error) => return Err(translated(of.offset(next), error)),
                Some(Err(_)) | None if Instant::now() >= deadline => {
                    return Err(Error::unavailable(of.offset(next), "the cluster didn't send the records in time"));
                }
                Some(Err(_)) => {}
                None => {
                    next = next.max(reader::positions(&consumer, &self.watching.names)?.get(&of).copied().unwrap_or(0))
                }
            }
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { consumer, next: (of, next) });
        if idle.len() > IDLE_CONSUMERS {
            let oldest = idle.remove(0);
            // To end one takes a tenth of a second, and may take for ever: nobody waits for it.
            let ending = std::thread::Builder::new().name("reading's end".to_owned()).spawn(move || drop(oldest));
            if let Err(error) = ending {
                tracing::debug!(%error, "no thread for a reading's end: it took place at once");
            }
        }
        Ok(records)
    }

    /// A consumer that reads on from there: one that stopped just there, or a new one, which has its first record after a few
    /// milliseconds. One that is sent elsewhere takes up to a second to go there.
    fn consumer_at(&self, of: TopicPartition, from: u64) -> Result<BaseConsumer<Watching>, Error> {
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = idle.iter().position(|idle| idle.next == (of, from)) {
                return Ok(idle.remove(place).consumer);
            }
        }
        let mut config = self.settings.consumer(ReaderKind::Live);
        config.set("queued.max.messages.kbytes", "2048").set("statistics.interval.ms", "0");
        let consumer: BaseConsumer<Watching> =
            config.create_with_context(self.watching.clone()).map_err(no_other_client)?;
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        let assigned = list(&self.watching.names, [(of, offset)])?;
        consumer.assign(&assigned).map_err(|error| translated(of, error))?;
        Ok(consumer)
    }
}

/// So many may do something at once; the others wait.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of them, until it is dropped.
struct Slot<'a>(&'a Slots);

impl Slots {
    fn new(slots: usize) -> Slots {
        Slots { free: Mutex::new(slots), freed: Condvar::new() }
    }

    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_sub(1);
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(1);
        self.0.freed.notify_one();
    }
}

/// A list as the client wants it.
pub(super) fn list(
    names: &Names,
    of: impl IntoIterator<Item = (TopicPartition, Offset)>,
) -> Result<TopicPartitionList, Error> {
    let mut list = TopicPartitionList::new();
    for (of, offset) in of {
        let partition = i32::try_from(of.partition).unwrap_or(i32::MAX);
        list.add_partition_offset(names.name(of.topic), partition, offset).map_err(|error| translated(of, error))?;
    }
    Ok(list)
}

/// Repeats what is unavailable, with growing pauses, for so long; what the last attempt takes comes on top.
fn patiently<T>(patience: Duration, ask: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let deadline = Instant::now() + patience;
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(2))
        .with_jitter()
        .without_max_times();
    ask.retry(pauses).when(|error| matches!(error, Error::Unavailable { .. }) && Instant::now() < deadline).call()
}

/// What the clients noticed says more than that a question timed out.
fn no_answer(settings: &KafkaSettings, reach: &Reach, error: KafkaError) -> Error {
    match translated(At::Log, error) {
        Error::Unavailable { at, source, .. } => {
            let why = reach.newest().map(|why| format!(": {why}")).unwrap_or_default();
            let what = format!(
                "no answer from the Kafka brokers {}{why}; see that they run and can be reached",
                settings.brokers
            );
            Error::Unavailable { at, what: what.into(), source }
        }
        other => other,
    }
}

fn partition_counts(settings: &KafkaSettings, client: &BaseConsumer<Watching>, reach: &Reach) -> Result<Counts, Error> {
    listen(client);
    counts(settings, client).map_err(|error| {
        listen(client);
        no_answer(settings, reach, error)
    })
}

fn counts(settings: &KafkaSettings, client: &BaseConsumer<Watching>) -> Result<Counts, KafkaError> {
    let metadata = client.fetch_metadata(None, ONE_QUESTION)?;
    Ok(Topic::ALL.map(|topic| {
        let name = settings.topic(topic);
        let found = metadata.topics().iter().find(|found| found.name() == name && found.error().is_none());
        (topic, found.map(|found| u32::try_from(found.partitions().len()).unwrap_or(u32::MAX)))
    }))
}

fn cluster_id(settings: &KafkaSettings, client: &BaseConsumer<Watching>, reach: &Reach) -> Result<String, Error> {
    let timed_out = || KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
    client.client().fetch_cluster_id(ONE_QUESTION).ok_or_else(|| no_answer(settings, reach, timed_out()))
}

/// The partition count of all topics, and the one asked for if one is.
fn agreed(settings: &KafkaSettings, found: &[(Topic, Option<u32>)], wanted: Option<u32>) -> Result<u32, Error> {
    let mut agreed = wanted;
    for (topic, count) in found {
        let name = settings.topic(*topic);
        let Some(count) = count else {
            let what = format!("the topic {name} is not on the cluster; make it with: orderledger topics create");
            return Err(Error::refused(At::Log, what));
        };
        match agreed {
            None => agreed = Some(*count),
            Some(agreed) if agreed == *count => {}
            Some(agreed) => {
                let what = format!(
                    "the topic {name} has {count} partitions and should have {agreed}: keys would move between them; \
                     never add partitions, and name the right count with --partitions"
                );
                return Err(Error::refused(At::Log, what));
            }
        }
    }
    Ok(agreed.unwrap_or(0))
}
