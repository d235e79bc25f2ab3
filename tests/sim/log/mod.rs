//! The log of a simulation: partitions in memory, and between them and the machines a network that the seed rules.

mod network;
mod producer;
mod reader;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::worker::poison::{self, Poison};
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, Reader, ReaderKind, Record};
use orderledger_store::{At, Error};
use orderledger_tests::dice::Dice;
use orderledger_tests::stages::{PARTITIONS, all_partitions};

use crate::faults::{Fault, Faults};
use crate::trace::Trace;
use network::Network;
use producer::SimAppender;
use reader::SimReader;

/// 2026-02-02, well after what the outside writes.
const BEGUN_MS: u64 = 1_770_000_000_000;

/// Whose records these are: a machine's, in one of its lives, or the clients'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u64);

/// The log as one owner sees it.
#[derive(Clone)]
pub(crate) struct SimLog {
    shared: Arc<Shared>,
    owner: Owner,
}

struct Shared {
    state: Mutex<State>,
    clock_ms: Arc<AtomicU64>,
}

struct State {
    faults: Faults,
    dice: Dice,
    partitions: BTreeMap<TopicPartition, Partition>,
    network: Network,
    trace: Trace,
    /// Records that projections can't apply.
    poison: Poison,
}

#[derive(Default)]
struct Partition {
    records: Vec<Record>,
    end: u64,
    recorded_at_ms: i64,
}

impl Partition {
    fn from(&self, offset: u64, max: usize) -> &[Record] {
        let first = self.records.partition_point(|record| record.offset < offset);
        let rest = &self.records[first..];
        &rest[..rest.len().min(max)]
    }
}

impl SimLog {
    /// An empty log on that clock.
    pub(crate) fn new(faults: Faults, dice: Dice, clock_ms: Arc<AtomicU64>) -> SimLog {
        let partitions = all_partitions().map(|of| (of, Partition::default())).collect();
        let state = State {
            faults,
            dice,
            partitions,
            network: Network::default(),
            trace: Trace::default(),
            poison: Poison::new(),
        };
        poison::here(Poison::new());
        SimLog { shared: Arc::new(Shared { state: Mutex::new(state), clock_ms }), owner: Owner(0) }
    }

    /// The same log for another owner.
    pub(crate) fn seen_by(&self, owner: Owner) -> SimLog {
        SimLog { owner, ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// One thing happens on the network; false if nothing is on its way.
    pub(crate) fn step(&self) -> bool {
        let now_ms = self.shared.now_ms();
        let (moved, delivery) = self.lock().step(now_ms);
        // Whoever is told may look at the log.
        if let Some((done, result)) = delivery {
            done(result);
        }
        moved
    }

    /// The owner is dead: nobody is told anything, and of what it had sent nothing or a first part may still arrive.
    pub(crate) fn kill(&self, owner: Owner) {
        self.lock().kill(owner);
    }

    /// No fault happens from now on. What was never told stays untold.
    pub(crate) fn heal(&self) {
        self.lock().faults = Faults::NONE;
    }

    /// Whether the projection can't apply the record there.
    pub(crate) fn is_poisoned(&self, projection: &str, at: Position) -> bool {
        self.lock().poison.contains(&(projection.to_owned(), at))
    }

    /// From now on the projection can apply the record there.
    pub(crate) fn mend(&self, projection: &str, at: Position) {
        let mut state = self.lock();
        state.trace.note(|| format!("{projection} can apply {at} now"));
        state.poison.remove(&(projection.to_owned(), at));
        poison::here(state.poison.clone());
    }

    /// Notes what happens in the trace of the run.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.lock().trace.note(what);
    }

    /// The digest of everything that happened.
    pub(crate) fn trace(&self) -> Trace {
        self.lock().trace.clone()
    }

    /// Keeps the words of the trace, to show them.
    pub(crate) fn keep_trace(&self) {
        self.lock().trace.keep();
    }

    /// The end of every partition.
    pub(crate) fn ends(&self) -> Vec<(TopicPartition, u64)> {
        self.lock().partitions.iter().map(|(of, partition)| (*of, partition.end)).collect()
    }

    /// How many records of a partition stand below an offset.
    pub(crate) fn records_below(&self, of: TopicPartition, offset: u64) -> u64 {
        let state = self.lock();
        let below = state.partitions[&of].records.partition_point(|record| record.offset < offset);
        u64::try_from(below).unwrap()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(BEGUN_MS + self.clock_ms.load(Ordering::Relaxed)).unwrap()
    }
}

impl State {
    /// The log gives no answer now and then.
    fn answer(&mut self, per_mille: u64) -> Result<(), Error> {
        if self.faults.has(Fault::ReadError) && self.dice.permille(per_mille) {
            self.trace.note(|| "read error".to_owned());
            return Err(Error::unavailable(At::Log, "simulated: no answer"));
        }
        Ok(())
    }

    fn partition(&self, of: TopicPartition) -> Result<&Partition, Error> {
        self.partitions.get(&of).ok_or_else(|| Error::refused(of, "there is no such partition"))
    }
}

impl EventLog for SimLog {
    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn appender(&self, _: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        let number = self.lock().network.add(self.owner);
        Ok(Box::new(SimAppender { shared: Arc::clone(&self.shared), number }))
    }

    fn reader(&self, from: &[(TopicPartition, u64)], _: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        let mut state = self.lock();
        state.answer(20)?;
        for (of, offset) in from {
            let end = state.partition(*of)?.end;
            if *offset > end {
                return Err(Error::refused(of.offset(*offset), format!("the log ends at {end}")));
            }
        }
        Ok(Box::new(SimReader { shared: Arc::clone(&self.shared), wanted: from.to_vec() }))
    }

    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.lock().partition(of).map(|_| 0)
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        let mut state = self.lock();
        state.answer(5)?;
        Ok(state.partition(of)?.end)
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        let mut state = self.lock();
        state.answer(5)?;
        Ok(state.partition(of)?.from(from, max).to_vec())
    }

    fn commits_batches_atomically(&self) -> bool {
        false
    }

    fn close(&self) {}
}
