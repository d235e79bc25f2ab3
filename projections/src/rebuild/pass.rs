//! One pass over the log for several foldings, that goes as far as it is told, and later further.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Fetched, Reader, ReaderKind, Record};

use crate::worker::any::AnyFolding;
use crate::worker::fold::Failure;
use crate::worker::read::Read;

/// After how many records the folds commit; between two commits they hold what changed.
const COMMIT_RECORDS: usize = 20_000;
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
    uncommitted: usize,
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
        Ok(Pass {
            log,
            key,
            reader,
            held: BTreeMap::new(),
            aside: Ends::new(),
            uncommitted: 0,
            passed: Passed::default(),
        })
    }

    /// Reads on, and folds what lies below these ends; they never shrink from one step to the next. True once all of it is
    /// folded, and committed with what waits and is to be applied.
    pub fn step(&mut self, foldings: &mut [Box<dyn AnyFolding>], ends: &Ends) -> Result<bool, Failure> {
        let end_of = |of: TopicPartition| ends.get(&of).copied().unwrap_or(0);
        let held: Vec<TopicPartition> = self.held.keys().copied().collect();
        for of in held {
            while let Some(record) = self.held.get_mut(&of).and_then(|held| next_below(held, end_of(of))) {
                self.take(foldings, of, record)?;
            }
        }
        self.held.retain(|_, held| !held.is_empty());
        if self.left(ends) > 0 {
            self.choose_partitions(ends)?;
            for Fetched { from, records } in self.reader.poll(PATIENCE)? {
                for record in records {
                    let held = self.held.get_mut(&from);
                    match held {
                        None if record.offset < end_of(from) => self.take(foldings, from, record)?,
                        Some(held) => held.push_back(record),
                        None => self.held.entry(from).or_default().push_back(record),
                    }
                }
            }
        }
        let is_there = self.left(ends) == 0;
        if self.uncommitted >= COMMIT_RECORDS {
            self.commit(foldings)?;
        }
        if is_there {
            for folding in foldings.iter_mut() {
                folding.pass_holes(&|of| self.position(of).min(end_of(of)));
            }
            self.commit(foldings)?;
            foldings.iter_mut().try_for_each(|folding| folding.release_all(self.log, self.key))?;
        }
        Ok(is_there)
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

    fn take(
        &mut self,
        foldings: &mut [Box<dyn AnyFolding>],
        from: TopicPartition,
        record: Record,
    ) -> Result<(), Failure> {
        let read = Read::new(from, record, self.key);
        for folding in foldings.iter_mut() {
            folding.take(&read)?;
        }
        self.passed.records += 1;
        self.uncommitted += 1;
        Ok(())
    }

    fn commit(&mut self, foldings: &mut [Box<dyn AnyFolding>]) -> Result<(), Failure> {
        self.uncommitted = 0;
        foldings.iter_mut().try_for_each(|folding| folding.commit())
    }

    /// Reads the others alone once too much is held of partitions of which nothing is wanted, and those again that are.
    fn choose_partitions(&mut self, ends: &Ends) -> Result<(), Failure> {
        let end_of = |of: &TopicPartition| ends.get(of).copied().unwrap_or(0);
        let held: usize = self.held.values().map(VecDeque::len).sum();
        if held <= HELD_MAX && self.aside.iter().all(|(of, offset)| *offset >= end_of(of)) {
            return Ok(());
        }
        let all = ends.keys().map(|of| (*of, self.position(*of)));
        let (wanted, aside) = all.partition(|(of, offset)| *offset < end_of(of));
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

fn next_below(held: &mut VecDeque<Record>, end: u64) -> Option<Record> {
    held.front().is_some_and(|record| record.offset < end).then(|| held.pop_front()).flatten()
}
