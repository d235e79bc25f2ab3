//! Operators, their decisions and the log that these stand in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::envelope::{self, write_outside};
use orderledger_domain::event::{Event, ParkedDecision};
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{AppenderKind, EventLog, MemoryLog, NewRecord};
use uuid::Uuid;

use crate::days::PARTITIONS;

/// A small linear generator: the seed is the whole randomness.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides.max(1)
    }

    pub(crate) fn of<'a, T>(&mut self, some: &'a [T]) -> Option<&'a T> {
        some.get(usize::try_from(self.below(u64::try_from(some.len()).unwrap())).unwrap())
    }
}

/// The turn of one test: what is poisoned for workers is poisoned everywhere.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same records in a log that can be read and written.
pub(crate) fn log_of(records: &BTreeMap<TopicPartition, Vec<Read>>) -> MemoryLog {
    let log = MemoryLog::new(PARTITIONS).unwrap();
    for (of, reads) in records {
        let record = |read: &Read| NewRecord {
            to: *of,
            key: read.key.clone(),
            value: read.value.clone(),
            headers: read.headers.clone(),
        };
        append(&log, reads.iter().map(record).collect());
    }
    log
}

/// Appends and waits until it is there.
pub(crate) fn append(log: &MemoryLog, records: Vec<NewRecord>) -> Vec<u64> {
    let (done, offsets) = channel();
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(records, Box::new(move |outcome| done.send(outcome).unwrap())).unwrap();
    offsets.recv().unwrap().unwrap()
}

/// Where the newest decision about a record stands that is not void, but for the one of that number.
pub(crate) fn newest_decision(log: &MemoryLog, number: u128, entity: &Entity, about: Position) -> Option<Position> {
    let of = Topic::DeadLetters.at(about.partition);
    let mut newest = None;
    for record in log.read(of, 0, usize::MAX).unwrap() {
        let read = envelope::read(record.value.as_deref()).unwrap();
        let is_its = record.key.as_deref() == Some(entity.to_string().as_bytes());
        let (Event::ParkedRetried(decision) | Event::ParkedDiscarded(decision)) = read.event.unwrap() else { continue };
        if is_its && read.event_id != Uuid::from_u128(number) && decision.position == about && decision.after == newest
        {
            newest = Some(of.offset(record.offset));
        }
    }
    newest
}

/// Decides, knowing of every decision before.
pub(crate) fn decide(log: &MemoryLog, number: u128, projection: &str, entity: &Entity, about: Position, discard: bool) {
    let after = newest_decision(log, number, entity, about);
    decide_after(log, number, projection, entity, (about, after), discard);
}

/// Decides, knowing of no decision behind that one.
pub(crate) fn decide_after(
    log: &MemoryLog,
    number: u128,
    projection: &str,
    entity: &Entity,
    (about, after): (Position, Option<Position>),
    discard: bool,
) {
    let decision = ParkedDecision {
        projection: projection.to_owned(),
        position: about,
        reason: "a test".to_owned(),
        actor: "operator".to_owned(),
        after,
    };
    let event = if discard { Event::ParkedDiscarded(decision) } else { Event::ParkedRetried(decision) };
    let value = write_outside(Uuid::from_u128(number), Timestamp::from_millis(1), &event, "test");
    let to = Topic::DeadLetters.at(about.partition);
    let key = Some(Bytes::from(entity.to_string()));
    append(log, vec![NewRecord { to, key, value: Some(value.into()), headers: Vec::new() }]);
}

/// Records of entities that a projection reads, about one in so many of them.
pub(crate) fn some_records(log: &MemoryLog, topic: Topic, dice: &mut Dice, one_in: u64) -> BTreeSet<Position> {
    let mut some = BTreeSet::new();
    for of in (0..PARTITIONS).map(|partition| topic.at(partition)) {
        for record in log.read(of, 0, usize::MAX).unwrap() {
            let is_of_entity = record.key.as_deref().is_some_and(|key| !key.starts_with(b"_"));
            if is_of_entity && dice.below(one_in) == 0 {
                some.insert(of.offset(record.offset));
            }
        }
    }
    some
}
