//! Intake's answers for those who asked: the newest are kept in memory, any other is found in the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use orderledger_domain::envelope::Stamp;
use orderledger_domain::event::Event;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey};
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Record};
use tokio::sync::oneshot;

use crate::worker::read::Read;

/// How many answers a partition keeps for those who ask a little late.
const RECENT: usize = 4096;
/// How many records one look into the log reads.
const SCAN_RECORDS: usize = 1024;
/// The same, of offsets: a look back reads as many records at most.
const SCAN_OFFSETS: u64 = 1024;

/// What intake said of one outside record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Where the answer stands.
    pub position: Position,
    /// What it says.
    pub event: Event,
}

/// The answers of all partitions.
#[derive(Debug)]
pub struct Answers {
    lanes: Vec<Mutex<Lane>>,
}

#[derive(Debug, Default)]
struct Lane {
    /// Answers by the offset of the record asked about, ascending.
    recent: VecDeque<(u64, Answer)>,
    waiting: BTreeMap<u64, Vec<oneshot::Sender<Answer>>>,
}

impl Answers {
    /// Answers of that many partitions, none given yet.
    pub fn new(partitions: u32) -> Answers {
        Answers { lanes: (0..partitions).map(|_| Mutex::default()).collect() }
    }

    /// The answer to the outside record at that offset of `orders`, as soon as it is acknowledged. Dropping the
    /// receiver forgets the wish. An answer given long ago never comes this way: see [`find`].
    pub fn wait(&self, partition: u32, offset: u64) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let Some(lane) = self.lane(partition) else { return receiver };
        let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        let place = lane.recent.binary_search_by_key(&offset, |(asked, _)| *asked);
        match place.ok().and_then(|place| lane.recent.get(place)) {
            // Nobody waits any more if sending fails.
            Some((_, answer)) => drop(sender.send(answer.clone())),
            None => lane.waiting.entry(offset).or_default().push(sender),
        }
        receiver
    }

    /// Hands out acknowledged answers, ascending by the offset asked about.
    pub fn publish(&self, partition: u32, answers: impl IntoIterator<Item = (u64, Answer)>) {
        let Some(lane) = self.lane(partition) else { return };
        let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
        for (asked, answer) in answers {
            for sender in lane.waiting.remove(&asked).unwrap_or_default() {
                drop(sender.send(answer.clone()));
            }
            if lane.recent.back().is_none_or(|(newest, _)| *newest < asked) {
                lane.recent.push_back((asked, answer));
            }
            if lane.recent.len() > RECENT {
                lane.recent.pop_front();
            }
        }
        // Those who gave up waiting leave nothing behind.
        lane.waiting.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
    }

    fn lane(&self, partition: u32) -> Option<&Mutex<Lane>> {
        usize::try_from(partition).ok().and_then(|partition| self.lanes.get(partition))
    }
}

/// Finds the answer to the outside record at `asked` by reading the log on from there; `None` if it stands not there yet.
/// Only intake's own counts: the next of its stream behind a record that stands before it, by a digest that nobody makes
/// without the key.
pub fn find(log: &dyn EventLog, key: &StreamKey, asked: Position) -> Result<Option<Answer>, Error> {
    Ok(find_all(log, key, &BTreeSet::from([asked]))?.remove(&asked))
}

/// The same of many: what was asked at once was answered at once, so one look serves all of it.
pub fn find_all(
    log: &dyn EventLog,
    key: &StreamKey,
    asked: &BTreeSet<Position>,
) -> Result<BTreeMap<Position, Answer>, Error> {
    let mut found = BTreeMap::new();
    let mut read_whole = None;
    for position in asked {
        // What stands behind an earlier one was all looked at.
        if found.contains_key(position) || read_whole == Some(position.topic_partition()) {
            continue;
        }
        if look_on(log, key, *position, asked, &mut found)? {
            read_whole = Some(position.topic_partition());
        }
    }
    Ok(found)
}

/// Reads on from one that was asked until its answer is found, and as long as others are; whether the log ended before.
fn look_on(
    log: &dyn EventLog,
    key: &StreamKey,
    first: Position,
    asked: &BTreeSet<Position>,
    found: &mut BTreeMap<Position, Answer>,
) -> Result<bool, Error> {
    let mut own = OwnRecords { log, key, partition: first.topic_partition(), read: BTreeSet::new() };
    let mut from = first.offset.saturating_add(1);
    loop {
        let records = log.read(own.partition, from, SCAN_RECORDS)?;
        let Some(last) = records.last() else { return Ok(true) };
        from = last.offset.saturating_add(1);
        let before = found.len();
        for record in records {
            let Some(read) = own.own(record) else { continue };
            let Some(stamp) = read.stamp else { continue };
            let of = stamp.cause.position;
            if asked.contains(&of)
                && !found.contains_key(&of)
                && own.stands_next(&stamp, first.offset)?
                && let Ok(event) = read.envelope.and_then(|envelope| envelope.event)
            {
                found.insert(of, Answer { position: read.position, event });
                if asked.len() == found.len() {
                    return Ok(false);
                }
            }
            own.read.insert((stamp.sequence, read.digest));
        }
        if found.contains_key(&first) && found.len() == before {
            return Ok(false);
        }
    }
}

/// The records of one partition that claim to be its intake's.
struct OwnRecords<'a> {
    log: &'a dyn EventLog,
    key: &'a StreamKey,
    partition: TopicPartition,
    /// Sequence and digest of those behind the record asked about that were read.
    read: BTreeSet<(u64, u64)>,
}

impl OwnRecords<'_> {
    fn own(&self, record: Record) -> Option<Read> {
        let read = Read::new(self.partition, record, self.key);
        let stamp = read.stamp?;
        StreamId::of(&stamp).is_intake_of(self.partition.partition).then_some(read)
    }

    /// Whether the record that the stamp names as the one before stands in the log: among those that were read, or before
    /// that offset, the newest first.
    fn stands_next(&self, stamp: &Stamp, before: u64) -> Result<bool, Error> {
        let Some(previous) = stamp.sequence.checked_sub(1) else { return Ok(false) };
        if previous == 0 {
            // The key has been asked when it was read.
            return Ok(stamp.prev == 0);
        }
        let mut to = before;
        let mut stands = self.read.contains(&(previous, stamp.prev));
        while !stands && to > 0 {
            let from = to.saturating_sub(SCAN_OFFSETS);
            let mut next = from;
            while !stands && next < to {
                let records = self.log.read(self.partition, next, SCAN_RECORDS)?;
                next = records.last().map_or(to, |last| last.offset.saturating_add(1));
                let own = records.into_iter().filter(|record| record.offset < to).filter_map(|record| self.own(record));
                let is_previous = |read: &Read| read.stamp.is_some_and(|found| found.sequence == previous);
                stands = own.into_iter().any(|read| is_previous(&read) && read.digest == stamp.prev);
            }
            to = from;
        }
        Ok(stands)
    }
}
