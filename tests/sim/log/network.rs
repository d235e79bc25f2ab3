//! What becomes of a batch: written, lost, written twice; and what its writer hears of it, and when.

use std::collections::{BTreeMap, VecDeque};

use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::market::Market;
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::poison;
use orderledger_store::event_log::{Delivered, NewRecord, Record};
use orderledger_store::{At, Error};
use orderledger_tests::stages::PARTITIONS;

use super::producer::{Part, Producer, Sent};
use super::{Owner, State};
use crate::faults::{Fault, Faults};

/// So many records at most can't be applied at the same time.
const POISONED_MAX: usize = 3;

/// A batch's end, as its writer hears of it.
pub(super) type Delivery = (Delivered, Result<Vec<u64>, Error>);

/// What is on its way.
#[derive(Default)]
pub(super) struct Network {
    producers: BTreeMap<u64, Producer>,
    next_producer: u64,
    /// Whose batch it was, and what it will hear.
    deliveries: Vec<(u64, Delivery)>,
    /// Repeats of what was written, which arrive some time.
    echoes: Vec<(TopicPartition, Vec<NewRecord>)>,
}

impl Network {
    pub(super) fn add(&mut self, owner: Owner) -> u64 {
        self.next_producer += 1;
        self.producers.insert(self.next_producer, Producer::new(owner));
        self.next_producer
    }

    pub(super) fn producer(&mut self, number: u64) -> &mut Producer {
        self.producers.get_mut(&number).unwrap()
    }
}

impl State {
    /// One thing that is on its way arrives; what the writer is told then is the caller's to do.
    pub(super) fn step(&mut self, now_ms: i64) -> (bool, Option<Delivery>) {
        let deliveries = self.network.deliveries.len();
        let late = self.faults.has(Fault::LateAcknowledgement) && self.dice.percent(80);
        if deliveries > 0 && !late {
            // Acknowledgements of one producer come in any order: its batches go to different partitions.
            let place = self.dice.place(deliveries);
            let (number, delivery) = self.network.deliveries.remove(place);
            self.trace
                .note(|| format!("producer {number} hears {:?}", delivery.1.as_ref().map_err(ToString::to_string)));
            return (true, Some(delivery));
        }
        if !self.network.echoes.is_empty() && self.dice.percent(10) {
            let place = self.dice.place(self.network.echoes.len());
            let (to, records) = self.network.echoes.swap_remove(place);
            self.trace.note(|| format!("an echo in {to}"));
            self.write(to, records, now_ms);
            return (true, None);
        }
        let waiting: Vec<(u64, TopicPartition)> = (self.network.producers.iter())
            .flat_map(|(number, producer)| {
                producer.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(to, _)| (*number, *to))
            })
            .collect();
        if waiting.is_empty() {
            return (deliveries > 0 || !self.network.echoes.is_empty(), None);
        }
        let (number, to) = *self.dice.choose(&waiting).unwrap();
        let part = self.network.producer(number).queues.get_mut(&to).and_then(VecDeque::pop_front);
        self.arrive(number, to, part.unwrap(), now_ms);
        (true, None)
    }

    fn arrive(&mut self, number: u64, to: TopicPartition, part: Part, now_ms: i64) {
        let Part { batch, records, places } = part;
        let fate = self.fate(number);
        self.trace.note(|| format!("producer {number}, {} for {to}: {fate:?}", records.len()));
        let mut offsets = Vec::new();
        if fate != Fate::NotWritten {
            let echo = self.faults.has(Fault::WrittenTwice) && self.dice.percent(15);
            let again = echo.then(|| records.clone());
            offsets = self.write(to, records, now_ms);
            match again {
                Some(again) if self.dice.percent(50) => {
                    self.write(to, again, now_ms);
                }
                Some(again) => self.network.echoes.push((to, again)),
                None => {}
            }
        }
        let producer = self.network.producer(number);
        if fate == Fate::NotWritten && self.dice.percent(50) {
            // As librdkafka does after a fatal error: all that waits is purged.
            let purged: Vec<Part> = producer.queues.values_mut().flat_map(std::mem::take).collect();
            for part in purged {
                self.settle(number, part.batch, |sent| sent.failed = true);
            }
        }
        self.settle(number, batch, |sent| {
            sent.failed |= matches!(fate, Fate::NotWritten | Fate::Unacknowledged);
            sent.silent |= fate == Fate::Silent;
            for (place, offset) in places.into_iter().zip(offsets) {
                sent.offsets[place] = offset;
            }
        });
    }

    fn fate(&mut self, number: u64) -> Fate {
        let is_clients = self.network.producer(number).owner == Owner(0);
        let mut strikes = |fault: Fault| self.faults.has(fault) && self.dice.permille(15);
        if strikes(Fault::NotWritten) {
            Fate::NotWritten
        } else if strikes(Fault::LostAcknowledgement) {
            Fate::Unacknowledged
        } else if !is_clients && strikes(Fault::SilentAcknowledgement) {
            Fate::Silent
        } else {
            Fate::Written
        }
    }

    /// One part of a batch has found its fate; with the last of them the writer is to hear of it.
    fn settle(&mut self, number: u64, batch: u64, note: impl FnOnce(&mut Sent)) {
        let producer = self.network.producer(number);
        let Some(sent) = producer.batches.get_mut(&batch) else { return };
        note(sent);
        sent.left -= 1;
        if sent.left > 0 {
            return;
        }
        let Some(Sent { offsets, failed, silent, done, .. }) = producer.batches.remove(&batch) else { return };
        if silent || producer.dead {
            return;
        }
        let unknown = || Error::unavailable(At::Log, "simulated: the outcome is unknown");
        self.network.deliveries.push((number, (done, if failed { Err(unknown()) } else { Ok(offsets) })));
    }

    fn write(&mut self, to: TopicPartition, records: Vec<NewRecord>, now_ms: i64) -> Vec<u64> {
        let partition = self.partitions.get_mut(&to).unwrap();
        if self.faults.has(Fault::Holes) && self.dice.percent(10) {
            partition.end += self.dice.range(1, 4);
        }
        partition.recorded_at_ms = partition.recorded_at_ms.max(now_ms);
        let mut offsets = Vec::new();
        for NewRecord { key, value, headers, .. } in records {
            let offset = partition.end;
            let projection = match to.topic {
                Topic::Orders => Some(Settlement::NAME),
                Topic::Trades => Some(Market::NAME),
                _ => None,
            };
            let of_entity =
                key.as_deref().is_some_and(|key| !key.starts_with(b"_") && of_key(key, PARTITIONS) == to.partition);
            if let Some(projection) = projection.filter(|_| of_entity && self.faults.has(Fault::Poison))
                && self.poison.len() < POISONED_MAX
                && self.dice.permille(15)
            {
                self.trace.note(|| format!("{projection} can't apply {to}@{offset}"));
                self.poison.insert((projection.to_owned(), to.offset(offset)));
                poison::here(self.poison.clone());
            }
            self.trace.bytes(value.as_deref().unwrap_or_default());
            partition.records.push(Record { offset, recorded_at_ms: partition.recorded_at_ms, key, value, headers });
            partition.end += 1;
            offsets.push(offset);
        }
        if self.faults.has(Fault::Holes) && self.dice.percent(5) {
            partition.end += 1;
        }
        offsets
    }

    pub(super) fn kill(&mut self, owner: Owner) {
        let of_owner = self.network.producers.iter().filter(|(_, producer)| producer.owner == owner);
        let numbers: Vec<u64> = of_owner.map(|(number, _)| *number).collect();
        numbers.into_iter().for_each(|number| self.give_up(number));
    }

    /// The producer's owner is gone or has given it up.
    pub(super) fn give_up(&mut self, number: u64) {
        let arrives = self.faults.has(Fault::LateArrival) || self.faults == Faults::NONE;
        let producer = self.network.producer(number);
        if producer.dead {
            return;
        }
        producer.dead = true;
        producer.batches.clear();
        for queue in producer.queues.values_mut() {
            let arriving = if arrives { self.dice.place(queue.len() + 1) } else { 0 };
            queue.truncate(arriving);
        }
        self.network.deliveries.retain(|(of, _)| *of != number);
    }
}

/// What becomes of a part of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    NotWritten,
    Unacknowledged,
    Silent,
}
