//! A reader of assigned partitions: no group decides what it reads, its positions are those it is given.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::TopicPartition;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::Offset;

use super::context::Watching;
use super::errors::{client_is_lost, passes, translated};
use super::names::Names;
use super::queries::list;
use crate::error::At;
use crate::event_log::{Fetched, Header, Reader, ReaderKind, Record};
use crate::last::Turn;
use crate::{Error, faults};

/// How many records one poll gives at most.
const LIVE_RECORDS: usize = 2048;
const REBUILD_RECORDS: usize = 16_384;
/// How many bytes one poll gives at most, but for its last record.
const POLL_BYTES: usize = 4 << 20;
/// How often a busy reader looks for holes that it has passed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a reader's end is waited for.
const END_WITHIN: Duration = Duration::from_millis(500);
/// How often a group's positions are told.
const REPORT_EVERY: Duration = Duration::from_secs(1);

pub(super) struct KafkaReader {
    /// There until it is dropped.
    consumer: Option<BaseConsumer<Watching>>,
    watching: Watching,
    records_max: usize,
    positions: BTreeMap<TopicPartition, u64>,
    looked: Instant,
    /// An error that came after records of the same poll.
    failed: Option<Error>,
    group: Option<Group>,
}

struct Group {
    reported: Instant,
    last: Vec<(TopicPartition, u64)>,
}

impl KafkaReader {
    /// A reader of those partitions from those offsets, which must be there.
    pub(super) fn new(
        consumer: BaseConsumer<Watching>,
        from: &[(TopicPartition, u64)],
        kind: ReaderKind,
    ) -> Result<KafkaReader, Error> {
        let watching = Watching::clone(consumer.context());
        let offset = |offset: u64| Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        let assigned = list(&watching.names, from.iter().map(|(of, at)| (*of, offset(*at))))?;
        consumer.assign(&assigned).map_err(|error| translated(At::Log, error))?;
        let now = Instant::now();
        Ok(KafkaReader {
            consumer: Some(consumer),
            watching,
            records_max: if kind == ReaderKind::Rebuild { REBUILD_RECORDS } else { LIVE_RECORDS },
            positions: from.iter().copied().collect(),
            looked: now,
            failed: None,
            group: matches!(kind, ReaderKind::Group(_) | ReaderKind::LaggingGroup(_))
                .then(|| Group { reported: now, last: Vec::new() }),
        })
    }

    fn consumer(&self) -> Result<&BaseConsumer<Watching>, Error> {
        self.consumer.as_ref().ok_or_else(|| Error::closed(At::Log, "the reader has ended"))
    }

    /// Takes what is there, and waits for the first.
    fn take(&mut self, timeout: Duration) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        let deadline = Instant::now() + timeout;
        let mut wait = timeout;
        while batch.records < self.records_max && batch.bytes < POLL_BYTES {
            match self.consumer()?.poll(wait) {
                Some(Ok(message)) => {
                    batch.take(&message, &self.watching.names);
                    wait = Duration::ZERO;
                }
                // Such errors may come again and again: they don't make the caller wait longer.
                Some(Err(error)) if passes(&error) && (batch.records > 0 || Instant::now() < deadline) => {
                    wait = wait.min(deadline.saturating_duration_since(Instant::now()));
                }
                Some(Err(error)) if passes(&error) => break,
                Some(Err(error)) => {
                    let error = translated(At::Log, error);
                    if batch.records == 0 {
                        return Err(error);
                    }
                    self.failed = Some(error);
                    break;
                }
                None if batch.records > 0 => break,
                None => {
                    wait = deadline.saturating_duration_since(Instant::now());
                    if wait.is_zero() {
                        break;
                    }
                }
            }
        }
        Ok(batch)
    }

    /// Moves past holes: what the client has passed without giving a record.
    fn look(&mut self) -> Result<(), Error> {
        self.looked = Instant::now();
        for (of, at) in positions(self.consumer()?, &self.watching.names)? {
            if let Some(position) = self.positions.get_mut(&of) {
                *position = at.max(*position);
                self.watching.known.ends(of, *position);
            }
        }
        Ok(())
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Fetched>, Error> {
        // What is known of the cluster is locked again and again, for the stages' readers and the producer as well.
        let _turn = Turn::take();
        self.watching.check()?;
        if self.watching.sight.is_lost() {
            return Err(client_is_lost(At::Log));
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.positions.is_empty() {
            std::thread::sleep(timeout);
            return Ok(Vec::new());
        }
        let batch = self.take(timeout)?;
        if batch.records > 0 {
            self.watching.reach.answered();
        }
        for fetched in &batch.fetched {
            let (Some(first), Some(last)) = (fetched.records.first(), fetched.records.last()) else { continue };
            let next = last.offset.saturating_add(1);
            self.positions.insert(fetched.from, next);
            self.watching.known.appended(fetched.from, first.offset, first.recorded_at_ms);
            self.watching.known.ends(fetched.from, next);
        }
        if batch.records == 0 || self.looked.elapsed() >= LOOK_EVERY {
            self.look()?;
        }
        Ok(batch.fetched)
    }

    fn position(&self, of: TopicPartition) -> u64 {
        self.positions.get(&of).copied().unwrap_or(0)
    }

    fn report(&mut self, positions: &dyn Fn() -> Vec<(TopicPartition, u64)>) {
        let Some(group) = self.group.as_mut().filter(|group| group.reported.elapsed() >= REPORT_EVERY) else { return };
        group.reported = Instant::now();
        let now = positions();
        if now == group.last {
            return;
        }
        let offset = |offset: u64| Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        faults::point("group.before-commit");
        let told = list(&self.watching.names, now.iter().map(|(of, at)| (*of, offset(*at))));
        let told = told.map(|list| self.consumer.as_ref().map_or(Ok(()), |at| at.commit(&list, CommitMode::Async)));
        // Nothing rests on it: the next report says it again.
        if let Ok(Err(error)) = told {
            tracing::debug!(%error, "the group's positions were not told");
            return;
        }
        faults::point("group.after-commit");
        group.last = now;
    }
}

impl Drop for KafkaReader {
    fn drop(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            end(consumer);
        }
    }
}

/// Ends a consumer, and doesn't wait long for it: it waits for its last commit, and where the group has no coordinator, or may not
/// be used, that lasts.
pub(super) fn end<C: ConsumerContext + 'static>(consumer: BaseConsumer<C>) {
    let (ending, ended) = channel::<()>();
    let dropping = std::thread::Builder::new().name("reader's end".to_owned()).spawn(move || {
        drop(consumer);
        drop(ending);
    });
    match dropping {
        // It says that it has ended by hanging up.
        Ok(_) if ended.recv_timeout(END_WITHIN) == Err(RecvTimeoutError::Timeout) => {
            tracing::debug!("a reader ends by itself; its group's last positions may not be told");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "no thread for a reader's end: it took place at once"),
    }
}

/// Where the client stands, holes included, in the partitions of which it has passed anything.
pub(super) fn positions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    names: &Names,
) -> Result<BTreeMap<TopicPartition, u64>, Error> {
    let list = consumer.position().map_err(|error| translated(At::Log, error))?;
    let at = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => {
            Some((names.partition(element.topic(), element.partition())?, u64::try_from(offset).ok()?))
        }
        _ => None,
    };
    Ok(list.elements().iter().filter_map(at).collect())
}

/// The records of one poll, by partition.
#[derive(Default)]
struct Batch {
    fetched: Vec<Fetched>,
    places: BTreeMap<TopicPartition, usize>,
    records: usize,
    bytes: usize,
}

impl Batch {
    fn take(&mut self, message: &BorrowedMessage<'_>, names: &Names) {
        let Some(from) = names.partition(message.topic(), message.partition()) else { return };
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(message.key_len()).saturating_add(message.payload_len());
        let place = *self.places.entry(from).or_insert(self.fetched.len());
        if place == self.fetched.len() {
            self.fetched.push(Fetched { from, records: Vec::new() });
        }
        if let Some(fetched) = self.fetched.get_mut(place) {
            fetched.records.push(record(message));
        }
    }
}

/// The record as it stands in the log; key and value share one allocation.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    let (key, value) = (message.key(), message.payload());
    let both = Bytes::from([key.unwrap_or_default(), value.unwrap_or_default()].concat());
    let middle = key.map_or(0, <[u8]>::len);
    Record {
        offset: u64::try_from(message.offset()).unwrap_or(0),
        recorded_at_ms: message.timestamp().to_millis().unwrap_or(0),
        key: key.map(|_| both.slice(..middle)),
        value: value.map(|_| both.slice(middle..)),
        headers: headers(message),
    }
}

/// The headers. A null value is kept as an empty one. Names that are not UTF-8 make the client's wrapper panic: such a
/// record's headers can't be read, and are left out.
fn headers(message: &BorrowedMessage<'_>) -> Vec<Header> {
    let Some(found) = message.headers() else { return Vec::new() };
    let read = || {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| {
            (header.key.to_owned(), Bytes::copy_from_slice(header.value.unwrap_or_default()))
        };
        found.iter().map(header).collect()
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::warn!(offset = message.offset(), "a record has headers whose names are not UTF-8: they are left out");
        Vec::new()
    })
}
