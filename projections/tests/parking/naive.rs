//! The model: one pass over the records, with every discard known; an entity that failed is left alone from there on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::worker::fold::{Failure, Fold};
use orderledger_projections::worker::partition::{Arrived, PartitionState};
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{EventLog, MemoryLog};
use orderledger_store::keys;
use orderledger_store::views::{Direction, Schema, View, ViewReader};

use crate::days::PARTITIONS;

/// Rows by key, and per entity the head and how many wait.
pub(crate) type Outcome = (Vec<(Bytes, Bytes)>, BTreeMap<String, (Position, u64)>);

/// What the rows must be.
pub(crate) fn fold<F: Fold>(log: &MemoryLog, poison: &BTreeSet<Position>, discards: &BTreeSet<Position>) -> Outcome {
    let view = View::in_memory(Schema { name: F::NAME, version: F::SCHEMA });
    let mut fold = F::load(&view, PARTITIONS).unwrap();
    let mut parked: BTreeMap<String, (Position, u64)> = BTreeMap::new();
    for of in F::TOPICS.iter().flat_map(|topic| (0..PARTITIONS).map(|partition| topic.at(partition))) {
        one_partition(&mut fold, &view, log, of, (poison, discards), &mut parked);
    }
    let mut changes = view.changes();
    fold.write_rows(&view, &mut changes).unwrap();
    view.commit(changes, "").unwrap();
    (rows(&view.reader().unwrap()), parked)
}

fn one_partition<F: Fold>(
    fold: &mut F,
    view: &View,
    log: &MemoryLog,
    of: TopicPartition,
    (poison, discards): (&BTreeSet<Position>, &BTreeSet<Position>),
    parked: &mut BTreeMap<String, (Position, u64)>,
) {
    let mut state = PartitionState::default();
    // Whose record stands at an offset.
    let mut owners: BTreeMap<u64, String> = BTreeMap::new();
    for record in log.read(of, 0, usize::MAX).unwrap() {
        let read = Read::new(of, record, &StreamKey::default());
        let arrived = state.take(&read).unwrap();
        if matches!(arrived, Arrived::Repeat { .. }) {
            continue;
        }
        let key = String::from_utf8(read.key.clone().unwrap().to_vec()).unwrap();
        let answers = read.stamp.map(|stamp| stamp.cause.position).filter(|cause| cause.topic_partition() == of);
        if arrived == Arrived::Outside && !key.starts_with('_') {
            owners.insert(read.position.offset, key.clone());
        }
        let whose = if key.starts_with('_') {
            answers.and_then(|cause| owners.get(&cause.offset).cloned()).unwrap_or(key)
        } else {
            key
        };
        let waiting = parked.get_mut(&whose).map(|(_, waiting)| waiting);
        if let Some(waiting) = waiting {
            *waiting += 1;
            continue;
        }
        if discards.contains(&read.position) && !whose.starts_with('_') {
            let entity = F::PARKS.unwrap().named(&whose).unwrap();
            fold.pass_over(&entity, read.position, arrived, Some(&read));
            continue;
        }
        let applied = !poison.contains(&read.position)
            && match fold.apply(view, &read, arrived) {
                Ok(_) => true,
                Err(Failure::Record(_)) => false,
                Err(failure) => panic!("{failure}"),
            };
        if !applied {
            parked.insert(whose, (read.position, 1));
        }
    }
}

/// Every row of a fold; none of parking's own.
pub(crate) fn rows(reader: &ViewReader) -> Vec<(Bytes, Bytes)> {
    let own = (std::ops::Bound::Unbounded, std::ops::Bound::Excluded(vec![keys::PARKED]));
    reader.scan(own, Direction::Ascending).map(|row| row.unwrap()).collect()
}
