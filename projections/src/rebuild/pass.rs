//! One pass over the log for several foldings, that goes as far as it is told, and later further.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Fetched, Reader, ReaderKind, Record};

use crate::worker::any::AnyFolding;
use crate::worker::fold::Failure;
use crate::worker::read::Read;

/// So many records may be held that are not wanted yet.
const HELD_MAX: usize = 50_000;
/// How long a step waits for records.
const PATIENCE: Duration = Duration::from_millis(100);

/// For each partition the offset below which everything is wanted. A partition that is not named isn't read.
pub type Ends = BTreeMap<TopicPartition, u64>;

/// How far a pass over the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Records read.
    pub records: u64,
    /// Offsets still to be read; holes count.
    pub left: u64,
}

/// A pass over the log.
pub struct Pass<'a> {
    log: &'a dyn EventLog,
    key: &'a StreamKey,
    reader: Box<dyn Reader>,
    /// Read already, beyond the ends of the last step.
    held: BTreeMap<TopicPartition, VecDeque<Record>>,
    /// Not read at present, and from where on they are: nothing of them is wanted yet, and much is there.
    aside: Ends,
    /// Read and parsed, for the next step to fold.
    batch: Vec<Read>,
    /// Bytes of records taken since the folds committed.
    uncommitted: usize,
    /// With so many they commit.
    commit_bytes: usize,
    passed: Passed,
}

impl<'a> Pass<'a> {
    /// Begins where the foldings stand, all at the same place, with what operators have decided meanwhile.
    pub fn begin(
        log: &'a dyn EventLog,
        key: &'a StreamKey,
        foldings: &mut [Box<dyn AnyFolding>],
    ) -> Result<Pass<'a>, Failure> {
        let mut from = Ends::new();
        for folding in foldings.iter_mut() {
            // Who keeps decisions as they are stands before them still.
            let before = folding.positions();
            folding.read_decisions(log, key)?;
            for (partition, offset) in before {
                let lowest = from.entry(partition).or_insert(offset);
                *lowest = offset.min(*lowest);
            }
        }
        let assigned: Vec<(TopicPartition, u64)> = from.into_iter().collect();
        let reader = log.reader(&assigned, ReaderKind::Rebuild)?;
        let commit_bytes = foldings.iter().map(|folding| folding.view().commit_bytes()).min().unwrap_or(0);
        Ok(Pass {
            log,
            key,
            reader,
            held: BTreeMap::new(),
            aside: Ends::new(),
            batch: Vec::new(),
            uncommitted: 0,
            commit_bytes,
            passed: Passed::default(),
        })
    }

    /// Folds what was read by the step before, each folding but the first on a thread of its own, and meanwhile reads on, as far as it lies below
    /// these ends; they never shrink from one step to the next. True once all of it is folded, and committed with what waits
    /// and is to be applied.
    pub fn step(&mut self, foldings: &mut [Box<dyn AnyFolding>], ends: &Ends) -> Result<bool, Failure> {
        // The next one is about as long.
        let room = Vec::with_capacity(self.batch.len());
        let batch = std::mem::replace(&mut self.batch, room);
        self.uncommitted = batch.iter().map(Read::size).fold(self.uncommitted, usize::saturating_add);
        let is_due = self.uncommitted >= self.commit_bytes || foldings.iter().any(|folding| folding.is_full());
        if is_due {
            self.uncommitted = 0;
        }
        let fold = &|folding: &mut Box<dyn AnyFolding>| {
            batch.iter().try_for_each(|read| folding.take(read))?;
            if is_due { folding.commit() } else { Ok(()) }
        };
        let mut others = foldings.iter_mut();
        let own = others.next();
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| self.read_on(ends));
            let folds: Vec<_> = match batch.as_slice() {
                [] => Vec::new(),
                _ => others.map(|folding| scope.spawn(move || fold(folding))).collect(),
            };
            let folded = if batch.is_empty() { Ok(()) } else { own.map_or(Ok(()), fold) };
            for thread in std::iter::once(reading).chain(folds) {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            folded
        })?;
        self.passed.records += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let is_there = self.batch.is_empty() && self.left(ends) == 0;
        if is_there {
            self.uncommitted = 0;
            for folding in foldings.iter_mut() {
                folding.pass_holes(&|of| self.position(of).min(end_of(ends, of)));
                folding.commit()?;
                folding.release_all(self.log, self.key)?;
            }
        }
        Ok(is_there)
    }

    /// Reads and parses what the next step folds.
    fn read_on(&mut self, ends: &Ends) -> Result<(), Failure> {
        let held: Vec<TopicPartition> = self.held.keys().copied().collect();
        for of in held {
            while let Some(record) = self.held.get_mut(&of).and_then(|held| next_below(held, end_of(ends, of))) {
                self.batch.push(Read::new(of, record, self.key));
            }
        }
        self.held.retain(|_, held| !held.is_empty());
        if self.left(ends) == 0 {
            return Ok(());
        }
        self.choose_partitions(ends)?;
        for Fetched { from, records } in self.reader.poll(PATIENCE)? {
            let end = end_of(ends, from);
            for record in records {
                match self.held.get_mut(&from) {
                    None if record.offset < end => self.batch.push(Read::new(from, record, self.key)),
                    Some(held) => held.push_back(record),
                    None => self.held.entry(from).or_default().push_back(record),
                }
            }
        }
        Ok(())
    }

    /// How far it is, and what is left up to these ends.
    pub fn passed_before(&mut self, ends: &Ends) -> Passed {
        self.left(ends);
        self.passed
    }

    /// How far it is.
    pub fn passed(&self) -> Passed {
        self.passed
    }

    /// Reads the others alone once too much is held of partitions of which nothing is wanted, and those again that are.
    fn choose_partitions(&mut self, ends: &Ends) -> Result<(), Failure> {
        let held: usize = self.held.values().map(VecDeque::len).sum();
        if held <= HELD_MAX && self.aside.iter().all(|(of, offset)| *offset >= end_of(ends, *of)) {
            return Ok(());
        }
        let all = ends.keys().map(|of| (*of, self.position(*of)));
        let (wanted, aside) = all.partition(|(of, offset)| *offset < end_of(ends, *of));
        self.aside = aside;
        self.held.clear();
        let wanted: Ends = wanted;
        let assigned: Vec<(TopicPartition, u64)> = wanted.into_iter().collect();
        self.reader = self.log.reader(&assigned, ReaderKind::Rebuild)?;
        Ok(())
    }

    /// Below it everything is folded.
    fn position(&self, of: TopicPartition) -> u64 {
        let held = self.held.get(&of).and_then(VecDeque::front).map(|record| record.offset);
        self.aside.get(&of).copied().or(held).unwrap_or_else(|| self.reader.position(of))
    }

    fn left(&mut self, ends: &Ends) -> u64 {
        self.passed.left = ends.iter().map(|(of, end)| end.saturating_sub(self.position(*of))).sum();
        self.passed.left
    }
}

fn end_of(ends: &Ends, of: TopicPartition) -> u64 {
    ends.get(&of).copied().unwrap_or(0)
}

fn next_below(held: &mut VecDeque<Record>, end: u64) -> Option<Record> {
    held.front().is_some_and(|record| record.offset < end).then(|| held.pop_front()).flatten()
}
