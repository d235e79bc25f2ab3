//! One pass over the log for several foldings, that goes as far as it is told, and later further.
//!
//! In: the records of a reader, in its order. Out: foldings that have taken each of them once. One thread reads and parses; each folding
//! takes portions on a thread of its own and commits for itself. The reading waits for the slowest once that is `PORTIONS_AHEAD` portions
//! behind, and all wait for it where a step ends. Invariant: when a step ends, all foldings stand at the same place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Fetched, Reader, ReaderKind, Record};
use orderledger_store::{At, Error, breathe, going_last, in_turn, lagging_like_this, may_go_last};

use crate::worker::any::AnyFolding;
use crate::worker::fold::Failure;
use crate::worker::poison;
use crate::worker::read::Read;

/// So many records may be held that are not wanted yet.
const HELD_MAX: usize = 50_000;
/// How long a step waits for records.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a step reads on. At its end the foldings wait for the slowest of them.
const STEP: Duration = Duration::from_millis(200);
/// Records that are handed over at once, at most, and about so many bytes.
const PORTION_RECORDS: usize = 2_048;
const PORTION_BYTES: usize = 1 << 20;
/// So many portions a folding may be behind the reading.
const PORTIONS_AHEAD: usize = 8;

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
    /// Read and parsed, not handed over yet.
    ahead: VecDeque<Portion>,
    /// Bytes of records handed over since a commit was due for all.
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
            ahead: VecDeque::new(),
            uncommitted: 0,
            commit_bytes,
            passed: Passed::default(),
        })
    }

    /// Reads on for a while, as far as it lies below these ends, and folds it; they never shrink from one step to the next. True once all
    /// of it is folded, and committed with what waits and is to be applied.
    pub fn step(&mut self, foldings: &mut [Box<dyn AnyFolding>], ends: &Ends) -> Result<bool, Failure> {
        let (log, key) = (self.log, self.key);
        std::thread::scope(|scope| {
            let mut queues = Vec::with_capacity(foldings.len());
            let mut folds = Vec::with_capacity(foldings.len());
            for folding in foldings.iter_mut() {
                let (queue, work) = sync_channel(PORTIONS_AHEAD);
                let named = Builder::new().name(format!("fold-{}", folding.name()));
                let (carried, lagging, goes_last) = (poison::carried(), lagging_like_this(), may_go_last());
                let fold = move || {
                    carried();
                    lagging();
                    going_last(goes_last, || fold_all(&mut **folding, (log, key, ends), &work))
                };
                let spawned = in_turn(|| named.spawn_scoped(scope, fold)).map_err(|error| {
                    Error::unavailable(At::Log, "the system gives no thread for a rebuild's fold").with_source(error)
                })?;
                folds.push(spawned);
                queues.push(queue);
            }
            let is_there = self.read_and_hand_over(queues, ends);
            for fold in folds {
                fold.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            is_there
        })
    }

    /// Hands over what was read ahead, and what is read until the step's end; then reads ahead once more, while the foldings come to
    /// theirs. True if that was all below these ends.
    fn read_and_hand_over(&mut self, queues: Vec<SyncSender<Work>>, ends: &Ends) -> Result<bool, Failure> {
        // One that takes no more has failed, and says why itself.
        let is_taken = |work: Work| queues.iter().all(|queue| queue.send(work.clone()).is_ok());
        let until = Instant::now() + STEP;
        loop {
            while let Some(Portion { reads, bytes }) = self.ahead.pop_front() {
                self.passed.records += u64::try_from(reads.len()).unwrap_or(u64::MAX);
                self.uncommitted = self.uncommitted.saturating_add(bytes);
                let is_commit_due = self.uncommitted >= self.commit_bytes;
                if is_commit_due {
                    self.uncommitted = 0;
                }
                if !is_taken(Work::Take { reads: Arc::new(reads), is_commit_due }) {
                    return Ok(false);
                }
            }
            if self.left(ends) == 0 {
                self.uncommitted = 0;
                return Ok(is_taken(Work::End));
            }
            if Instant::now() >= until {
                break;
            }
            self.read_on(ends)?;
        }
        drop(queues);
        self.read_on(ends)?;
        Ok(false)
    }

    /// Reads and parses what comes next.
    fn read_on(&mut self, ends: &Ends) -> Result<(), Failure> {
        let held: Vec<TopicPartition> = self.held.keys().copied().collect();
        for of in held {
            while let Some(record) = self.held.get_mut(&of).and_then(|held| next_below(held, end_of(ends, of))) {
                self.look(of, record);
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
                    None if record.offset < end => self.look(from, record),
                    Some(held) => held.push_back(record),
                    None => self.held.entry(from).or_default().push_back(record),
                }
            }
        }
        Ok(())
    }

    /// Parses a record, and puts it with those that are handed over next.
    fn look(&mut self, of: TopicPartition, record: Record) {
        breathe();
        let read = Read::new(of, record, self.key);
        let has_room = |portion: &&mut Portion| portion.reads.len() < PORTION_RECORDS && portion.bytes < PORTION_BYTES;
        if self.ahead.back_mut().filter(has_room).is_none() {
            self.ahead.push_back(Portion { reads: Vec::with_capacity(PORTION_RECORDS), bytes: 0 });
        }
        if let Some(portion) = self.ahead.back_mut() {
            portion.bytes = portion.bytes.saturating_add(read.size());
            portion.reads.push(read);
        }
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
        // Kafka's client starts threads, and so does the end of it.
        in_turn(|| {
            self.reader = self.log.reader(&assigned, ReaderKind::Rebuild)?;
            Ok(())
        })
    }

    /// Below it everything was read.
    fn position(&self, of: TopicPartition) -> u64 {
        let held = self.held.get(&of).and_then(VecDeque::front).map(|record| record.offset);
        self.aside.get(&of).copied().or(held).unwrap_or_else(|| self.reader.position(of))
    }

    fn left(&mut self, ends: &Ends) -> u64 {
        self.passed.left = ends.iter().map(|(of, end)| end.saturating_sub(self.position(*of))).sum();
        self.passed.left
    }
}

/// Records in their order, and their bytes.
struct Portion {
    reads: Vec<Read>,
    bytes: usize,
}

/// What a folding is given to do.
#[derive(Clone)]
enum Work {
    /// Records in their order, and whether a commit is due after them.
    Take { reads: Arc<Vec<Read>>, is_commit_due: bool },
    /// Nothing more lies below the ends, and everything up to them was read.
    End,
}

/// Does all of it until no more comes.
fn fold_all(
    folding: &mut dyn AnyFolding,
    (log, key, ends): (&dyn EventLog, &StreamKey, &Ends),
    work: &Receiver<Work>,
) -> Result<(), Failure> {
    for work in work {
        match work {
            Work::Take { reads, is_commit_due } => {
                for read in &*reads {
                    breathe();
                    folding.take(read)?;
                }
                if is_commit_due || folding.is_full() {
                    folding.commit()?;
                }
            }
            Work::End => {
                folding.pass_holes(&|of| end_of(ends, of));
                folding.commit()?;
                // What it starts to read with is kept for others, too.
                in_turn(|| folding.release_all(log, key))?;
            }
        }
    }
    Ok(())
}

fn end_of(ends: &Ends, of: TopicPartition) -> u64 {
    ends.get(&of).copied().unwrap_or(0)
}

fn next_below(held: &mut VecDeque<Record>, end: u64) -> Option<Record> {
    held.front().is_some_and(|record| record.offset < end).then(|| held.pop_front()).flatten()
}
