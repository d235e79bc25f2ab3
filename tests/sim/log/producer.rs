//! The writing end of the network: batches in parts, a queue a partition, in order within it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::event_log::{Appender, Delivered, NewRecord};

use super::{Owner, Shared};

/// What one appender has sent: as a producer of Kafka's, it keeps the order within a partition and none across.
pub(super) struct Producer {
    pub(super) owner: Owner,
    pub(super) dead: bool,
    pub(super) queues: BTreeMap<TopicPartition, VecDeque<Part>>,
    pub(super) batches: BTreeMap<u64, Sent>,
    next_batch: u64,
}

/// The records of one batch for one partition.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) batch: u64,
    pub(super) records: Vec<NewRecord>,
    /// Where each stands in its batch.
    pub(super) places: Vec<usize>,
}

/// A batch on its way.
pub(super) struct Sent {
    /// Parts whose fate is open.
    pub(super) left: usize,
    pub(super) offsets: Vec<u64>,
    pub(super) failed: bool,
    pub(super) silent: bool,
    pub(super) done: Delivered,
}

impl Producer {
    pub(super) const fn new(owner: Owner) -> Producer {
        Producer { owner, dead: false, queues: BTreeMap::new(), batches: BTreeMap::new(), next_batch: 0 }
    }

    fn send(&mut self, records: Vec<NewRecord>, done: Delivered) {
        let batch = self.next_batch;
        self.next_batch += 1;
        let mut parts: BTreeMap<TopicPartition, Part> = BTreeMap::new();
        let offsets = vec![0; records.len()];
        for (place, record) in records.into_iter().enumerate() {
            let empty = || Part { batch, records: Vec::new(), places: Vec::new() };
            let part = parts.entry(record.to).or_insert_with(empty);
            part.records.push(record);
            part.places.push(place);
        }
        let sent = Sent { left: parts.len(), offsets, failed: false, silent: false, done };
        self.batches.insert(batch, sent);
        for (to, part) in parts {
            self.queues.entry(to).or_default().push_back(part);
        }
    }
}

pub(super) struct SimAppender {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u64,
}

impl Appender for SimAppender {
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
        let mut state = self.shared.lock();
        let number = self.number;
        state.trace.note(|| format!("producer {number} sends {}", batch.len()));
        state.network.producer(number).send(batch, done);
        Ok(())
    }
}

impl Drop for SimAppender {
    /// A producer that is given up: what it had sent may still arrive, or not.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let number = self.number;
        state.give_up(number);
    }
}
