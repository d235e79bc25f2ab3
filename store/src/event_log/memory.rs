//! The log in memory, for simulation and tests: it can hold acknowledgements back, lose batches and have holes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;

use crate::Error;
use crate::error::At;
use crate::event_log::acknowledgement::Acknowledgement;
use crate::event_log::{
    Appender, AppenderKind, Clock, Delivered, EventLog, Fetched, NewRecord, READ_BYTES, Reader, ReaderKind, Record,
    system_clock,
};

const MAX_POLL_RECORDS: usize = 2000;

/// An event log that lives as long as the process. Batches are written and acknowledged in order, by an own thread, or
/// one by one when the test says so. A batch is not atomic over its partitions for a reader: nothing may rely on it.
pub struct MemoryLog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    partitions: u32,
    clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    partitions: Vec<Partition>,
    waiting: VecDeque<Waiting>,
    held: bool,
    closed: bool,
}

#[derive(Default)]
struct Partition {
    first: u64,
    end: u64,
    recorded_at_ms: i64,
    records: Vec<Record>,
}

struct Waiting {
    records: Vec<NewRecord>,
    acknowledgement: Acknowledgement,
}

impl MemoryLog {
    /// An empty log whose append times come from `clock`.
    pub fn with_clock(partitions: u32, clock: Clock) -> Result<MemoryLog, Error> {
        let topics = orderledger_domain::position::Topic::ALL.len();
        let partition_count = topics * partitions as usize;
        let state = State {
            partitions: std::iter::repeat_with(Partition::default).take(partition_count).collect(),
            waiting: VecDeque::new(),
            held: false,
            closed: false,
        };
        let shared = Arc::new(Shared { partitions, clock, state: Mutex::new(state), changed: Condvar::new() });
        let thread = thread::Builder::new()
            .name("log-commit".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })
            .map_err(|error| Error::unavailable(At::Log, "can't start its thread").with_source(error))?;
        Ok(MemoryLog { shared, thread: Mutex::new(Some(thread)) })
    }

    /// An empty log on the machine's clock.
    pub fn new(partitions: u32) -> Result<MemoryLog, Error> {
        MemoryLog::with_clock(partitions, system_clock())
    }

    /// From now on batches wait: neither readable nor acknowledged.
    pub fn hold(&self) {
        self.shared.lock().held = true;
    }

    /// Ends [`MemoryLog::hold`]: what waits is written and acknowledged, by the log's own thread.
    pub fn release(&self) {
        self.shared.lock().held = false;
        self.shared.changed.notify_all();
    }

    /// The number of batches that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Writes and acknowledges up to `count` waiting batches, on the calling thread; how many there were.
    pub fn release_next(&self, count: usize) -> usize {
        (0..count).take_while(|_| self.shared.commit_next(self.shared.lock())).count()
    }

    /// Writes up to `count` waiting batches whose acknowledgement is then lost: the writer is told that the outcome is
    /// unknown. How many there were.
    pub fn release_next_unacknowledged(&self, count: usize) -> usize {
        let write_next = || {
            let mut state = self.shared.lock();
            let waiting = state.waiting.pop_front()?;
            self.shared.write(&mut state, waiting.records);
            drop(state);
            self.shared.changed.notify_all();
            waiting.acknowledgement.deliver(Err(unacknowledged()));
            Some(())
        };
        (0..count).take_while(|_| write_next().is_some()).count()
    }

    /// Loses all waiting batches, as a crash does: they are never written and the writer is told that the outcome is
    /// unknown. How many there were.
    pub fn lose_waiting(&self) -> usize {
        let lost = std::mem::take(&mut self.shared.lock().waiting);
        let count = lost.len();
        for waiting in lost {
            waiting.acknowledgement.deliver(Err(unacknowledged()));
        }
        count
    }

    /// Raises the partition's end by `offsets` without records, as a transaction's markers do in Kafka.
    pub fn skip_offsets(&self, of: TopicPartition, offsets: u64) -> Result<(), Error> {
        self.shared.with_partition(of, |partition| partition.end = partition.end.saturating_add(offsets))?;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Deletes the partition's records below `offset`, as retention does in Kafka.
    pub fn delete_below(&self, of: TopicPartition, offset: u64) -> Result<(), Error> {
        self.shared.with_partition(of, |partition| {
            partition.first = offset.clamp(partition.first, partition.end);
            partition.records.retain(|record| record.offset >= offset);
        })
    }
}

impl EventLog for MemoryLog {
    fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    fn appender(&self, _kind: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        Ok(Box::new(MemoryAppender { shared: Arc::clone(&self.shared) }))
    }

    fn reader(&self, from: &[(TopicPartition, u64)], _kind: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        for (of, offset) in from {
            let (first, end) = self.shared.with_partition(*of, |partition| (partition.first, partition.end))?;
            if *offset < first || *offset > end {
                let what = format!("can't be read from there: the log holds offsets from {first} to below {end}");
                return Err(Error::refused(of.offset(*offset), what));
            }
        }
        Ok(Box::new(MemoryReader { shared: Arc::clone(&self.shared), wanted: from.to_vec(), turn: 0 }))
    }

    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.shared.with_partition(of, |partition| partition.first)
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.shared.with_partition(of, |partition| partition.end)
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        self.shared.with_partition(of, |partition| partition.records_from(from, max))
    }

    fn commits_batches_atomically(&self) -> bool {
        false
    }

    fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // It panics only if a test's own callback did, which that test sees by itself.
            drop(thread.join());
        }
    }
}

impl Drop for MemoryLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The own thread: commits unless held; ends when closed, losing what is held.
    fn run(&self) {
        loop {
            let mut state = self.lock();
            while (state.held || state.waiting.is_empty()) && !state.closed {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.held {
                let lost = std::mem::take(&mut state.waiting);
                drop(state);
                drop(lost);
                return;
            }
            if !self.commit_next(state) {
                return;
            }
        }
    }

    fn commit_next(&self, mut state: MutexGuard<'_, State>) -> bool {
        let Some(waiting) = state.waiting.pop_front() else { return false };
        let offsets = self.write(&mut state, waiting.records);
        drop(state);
        self.changed.notify_all();
        waiting.acknowledgement.deliver(Ok(offsets));
        true
    }

    fn write(&self, state: &mut State, records: Vec<NewRecord>) -> Vec<u64> {
        let now_ms = (self.clock)();
        let write = |record: NewRecord| {
            let partition = state.partitions.get_mut(self.index(record.to)?)?;
            let offset = partition.end;
            partition.end = offset.saturating_add(1);
            partition.recorded_at_ms = partition.recorded_at_ms.max(now_ms);
            let NewRecord { to: _, key, value, headers } = record;
            partition.records.push(Record { offset, recorded_at_ms: partition.recorded_at_ms, key, value, headers });
            Some(offset)
        };
        records.into_iter().filter_map(write).collect()
    }

    fn with_partition<T>(&self, of: TopicPartition, then: impl FnOnce(&mut Partition) -> T) -> Result<T, Error> {
        let mut state = self.lock();
        let partition = self.index(of).and_then(|index| state.partitions.get_mut(index));
        partition.map(then).ok_or_else(|| self.no_such_partition(of))
    }

    fn index(&self, of: TopicPartition) -> Option<usize> {
        let in_topic = (of.partition < self.partitions).then_some(of.partition as usize)?;
        Some(usize::from(of.topic.number()) * self.partitions as usize + in_topic)
    }

    fn no_such_partition(&self, of: TopicPartition) -> Error {
        Error::refused(of, format!("there is no such partition: topics have {} partitions", self.partitions))
    }
}

impl Partition {
    fn records_from(&self, from: u64, max: usize) -> Vec<Record> {
        let skipped = self.records.partition_point(|record| record.offset < from);
        let mut bytes = 0_usize;
        let fits = |record: &&Record| {
            let before = bytes;
            bytes = bytes.saturating_add(record.bytes());
            before < READ_BYTES
        };
        self.records.iter().skip(skipped).take(max).take_while(fits).cloned().collect()
    }
}

fn unacknowledged() -> Error {
    Error::unavailable(At::Log, "the batch was not acknowledged; its outcome is unknown")
}

struct MemoryAppender {
    shared: Arc<Shared>,
}

impl Appender for MemoryAppender {
    fn append(&self, batch: Vec<NewRecord>, done: Delivered) -> Result<(), Error> {
        if let Some(stray) = batch.iter().find(|record| self.shared.index(record.to).is_none()) {
            return Err(self.shared.no_such_partition(stray.to));
        }
        let mut state = self.shared.lock();
        if state.closed {
            return Err(Error::closed(At::Log, "the log is closed"));
        }
        state.waiting.push_back(Waiting { records: batch, acknowledgement: Acknowledgement::new(done) });
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }
}

struct MemoryReader {
    shared: Arc<Shared>,
    wanted: Vec<(TopicPartition, u64)>,
    turn: usize,
}

impl MemoryReader {
    /// What is there for the wanted partitions; positions pass holes even where there are no records.
    fn fetch(&mut self, state: &State) -> Vec<Fetched> {
        let mut fetched = Vec::new();
        let wanted = self.wanted.len();
        let share = (MAX_POLL_RECORDS / wanted.max(1)).max(1);
        for turn in 0..wanted {
            let Some((of, next)) = self.wanted.get_mut((self.turn + turn) % wanted) else { continue };
            let Some(partition) = self.shared.index(*of).and_then(|index| state.partitions.get(index)) else {
                continue;
            };
            let records = partition.records_from(*next, share);
            let read_to_end = records.len() < share;
            let passed = records.last().map_or(*next, |last| last.offset.saturating_add(1));
            *next = if read_to_end { partition.end } else { passed };
            if !records.is_empty() {
                fetched.push(Fetched { from: *of, records });
            }
        }
        self.turn = self.turn.wrapping_add(1);
        fetched
    }
}

impl Reader for MemoryReader {
    fn poll(&mut self, timeout: Duration) -> Result<Vec<Fetched>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        loop {
            let fetched = self.fetch(&state);
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !fetched.is_empty() || left.is_some_and(|left| left.is_zero()) {
                return Ok(fetched);
            }
            state = match left {
                Some(left) => shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn position(&self, of: TopicPartition) -> u64 {
        self.wanted.iter().find(|(partition, _)| *partition == of).map_or(0, |(_, next)| *next)
    }
}

#[cfg(test)]
mod tests;
