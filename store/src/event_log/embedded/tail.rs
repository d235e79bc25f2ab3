//! The end of every partition: how far it is readable, and its newest records in memory, so that a reader who follows
//! the end never touches the file.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use orderledger_domain::position::TopicPartition;

use crate::event_log::Record;
use crate::event_log::embedded::batches::Bounds;

/// Consecutive records, shared by the readers.
pub(super) struct Recent {
    pub(super) of: TopicPartition,
    pub(super) records: Vec<Record>,
}

/// Where records stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the journal, which no reader reads.
    Journal,
    /// In their places, as all before them.
    Batches,
}

/// Ends and newest records of all partitions; readers wait here.
pub(super) struct Tail {
    state: Mutex<State>,
    grown: Condvar,
    partitions: u32,
    max_bytes: usize,
}

struct State {
    partitions: Vec<PartitionTail>,
    /// Which partition holds the oldest recent batch, the next oldest, …
    ages: VecDeque<usize>,
    bytes: usize,
    /// So many of the newest batches are read from memory alone: they are in the journal.
    held: usize,
}

struct PartitionTail {
    bounds: Bounds,
    recent: VecDeque<Arc<Recent>>,
}

/// A partition that has something for its reader.
pub(super) struct Ready {
    /// Its place in the reader's list.
    pub(super) slot: usize,
    /// The offset to read below.
    pub(super) end: u64,
    /// The batches that hold the records from the wanted offset on; `None`: only the file still has them.
    pub(super) recent: Option<Vec<Arc<Recent>>>,
}

impl Tail {
    pub(super) fn new(bounds: Vec<Bounds>, partitions: u32, max_bytes: usize) -> Tail {
        let empty = |bounds| PartitionTail { bounds, recent: VecDeque::new() };
        let state =
            State { partitions: bounds.into_iter().map(empty).collect(), ages: VecDeque::new(), bytes: 0, held: 0 };
        Tail { state: Mutex::new(state), grown: Condvar::new(), partitions, max_bytes }
    }

    /// Where the partition begins and ends; `None` if there is no such partition.
    pub(super) fn bounds(&self, of: TopicPartition) -> Option<Bounds> {
        let index = index(of, self.partitions)?;
        self.lock().partitions.get(index).map(|tail| tail.bounds)
    }

    /// When the record at `from`, or the first behind it, was appended; `None` if only the file can tell.
    pub(super) fn appended_at(&self, of: TopicPartition, from: u64) -> Option<i64> {
        let state = self.lock();
        let tail = state.partitions.get(index(of, self.partitions)?)?;
        let batch = tail.recent.get(tail.first_with(from)?)?;
        batch.records.iter().find(|record| record.offset >= from).map(|record| record.recorded_at_ms)
    }

    /// Makes synced batches readable, in the order given, all at once, and wakes the readers.
    pub(super) fn publish(&self, batches: Vec<Arc<Recent>>, place: Place) {
        let mut state = self.lock();
        state.held = match place {
            Place::Journal => state.held.saturating_add(batches.len()),
            Place::Batches => 0,
        };
        for batch in batches {
            let Some(index) = index(batch.of, self.partitions) else { continue };
            let (Some(tail), Some(last)) = (state.partitions.get_mut(index), batch.records.last()) else { continue };
            tail.bounds.end = last.offset.saturating_add(1);
            tail.bounds.last_recorded_at_ms = last.recorded_at_ms;
            state.bytes += bytes_of(&batch);
            if let Some(tail) = state.partitions.get_mut(index) {
                tail.recent.push_back(batch);
            }
            state.ages.push_back(index);
        }
        let outgrown = state.trim(self.max_bytes);
        drop(state);
        self.grown.notify_all();
        drop(outgrown);
    }

    /// The oldest of those in the journal are in their places now.
    pub(super) fn placed(&self, batches: usize) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(batches);
    }

    /// At most so many batches that hold the records from this offset on; `None`: the file has them.
    pub(super) fn recent(&self, of: TopicPartition, from: u64, max: usize) -> Option<Vec<Arc<Recent>>> {
        self.lock().partitions.get(index(of, self.partitions)?)?.recent_from(from, max)
    }

    /// Waits until one of the wanted positions lies below its partition's end, at most until `deadline` (`None`: for
    /// ever). The result begins at the wanted partition number `first` and goes round.
    pub(super) fn wait(&self, wanted: &[(TopicPartition, u64)], first: usize, deadline: Option<Instant>) -> Vec<Ready> {
        let mut state = self.lock();
        loop {
            let ready: Vec<Ready> = (0..wanted.len())
                .map(|turn| (first + turn) % wanted.len())
                .filter_map(|slot| state.ready(slot, *wanted.get(slot)?, self.partitions))
                .collect();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
                return ready;
            }
            state = match left {
                Some(left) => self.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.grown.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the oldest batches out, for the caller to drop outside the lock.
    fn trim(&mut self, max_bytes: usize) -> Vec<Arc<Recent>> {
        let mut outgrown = Vec::new();
        while self.bytes > max_bytes && self.ages.len() > self.held {
            let Some(oldest) = self.ages.pop_front() else { break };
            let batch = self.partitions.get_mut(oldest).and_then(|tail| tail.recent.pop_front());
            self.bytes -= batch.as_deref().map_or(0, bytes_of);
            outgrown.extend(batch);
        }
        outgrown
    }

    fn ready(&self, slot: usize, (of, from): (TopicPartition, u64), partitions: u32) -> Option<Ready> {
        let tail = self.partitions.get(index(of, partitions)?)?;
        let end = tail.bounds.end;
        (from < end).then(|| Ready { slot, end, recent: tail.recent_from(from, MAX_RECENT_PER_POLL) })
    }
}

impl PartitionTail {
    fn recent_from(&self, from: u64, max: usize) -> Option<Vec<Arc<Recent>>> {
        let skipped = self.first_with(from)?;
        Some(self.recent.iter().skip(skipped).take(max.min(MAX_RECENT_PER_POLL)).cloned().collect())
    }

    /// The number of the recent batch that has the record at `from`, or the first behind it; `None` if only the file has it.
    fn first_with(&self, from: u64) -> Option<usize> {
        let oldest = self.recent.front()?.records.first()?.offset;
        let before = |batch: &Arc<Recent>| batch.records.last().is_some_and(|last| last.offset < from);
        (from >= oldest).then(|| self.recent.partition_point(before))
    }
}

/// Bounds the time under the lock; a reader comes back for more.
const MAX_RECENT_PER_POLL: usize = 256;

fn bytes_of(batch: &Recent) -> usize {
    batch.records.iter().map(|record| record.bytes() + size_of::<Record>()).sum()
}

/// The place of a partition in the log's numbering.
pub(super) fn index(of: TopicPartition, partitions: u32) -> Option<usize> {
    let in_topic = (of.partition < partitions).then_some(of.partition as usize)?;
    Some(usize::from(of.topic.number()) * partitions as usize + in_topic)
}
