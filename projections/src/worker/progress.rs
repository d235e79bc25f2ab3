//! How far a worker is, published after every batch, for those who wait for a position and for `/v1/projections`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use tokio::sync::watch;

use super::partition::{Accounting, PartitionState};

/// What a worker is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WorkerState {
    /// Reading from the position found at start towards the log's end as seen then.
    #[default]
    CatchingUp,
    /// At the log's end, following it.
    Live,
    /// Ended: the process is going down, or an error that a restart may heal.
    Stopped(String),
    /// Ended by a record that it can't apply or that differs from what the rules give.
    Halted(String),
}

impl WorkerState {
    /// The state's name in answers.
    pub const fn as_str(&self) -> &'static str {
        match self {
            WorkerState::CatchingUp => "catching_up",
            WorkerState::Live => "live",
            WorkerState::Stopped(_) => "stopped",
            WorkerState::Halted(_) => "halted",
        }
    }
}

/// One partition's progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionProgress {
    /// The offset from which the worker reads on.
    pub next_offset: u64,
    /// The oldest outside record that intake has not answered, as far as this worker has read.
    pub oldest_unanswered: Option<u64>,
    /// The newest append time read.
    pub recorded_at: Timestamp,
    /// How many records were consumed, counted apart from what became of them.
    pub consumed: u64,
    /// What became of the records.
    pub accounting: Accounting,
}

impl From<&PartitionState> for PartitionProgress {
    fn from(state: &PartitionState) -> PartitionProgress {
        PartitionProgress {
            next_offset: state.next_offset,
            oldest_unanswered: state.unanswered.front().copied(),
            recorded_at: state.recorded_at,
            consumed: state.consumed,
            accounting: state.accounting,
        }
    }
}

/// A worker's progress at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the worker is doing.
    pub state: WorkerState,
    /// Every partition it reads.
    pub partitions: BTreeMap<TopicPartition, PartitionProgress>,
    /// Entities of which records wait.
    pub parked_entities: u64,
}

impl Standing {
    /// Whether the record there, and all that was decided at it, has been applied. A partition that the worker doesn't
    /// read is never reached.
    pub fn has_reached(&self, position: Position) -> bool {
        self.partitions.get(&position.topic_partition()).is_some_and(|partition| {
            let answered = partition.oldest_unanswered.is_none_or(|oldest| oldest > position.offset);
            partition.next_offset > position.offset && answered
        })
    }

    /// Whether everything below `end` of that partition has been applied, answered or not.
    pub fn has_applied_below(&self, of: TopicPartition, end: u64) -> bool {
        self.partitions.get(&of).is_some_and(|partition| partition.next_offset >= end)
    }

    /// Whether the worker has ended.
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, WorkerState::Stopped(_) | WorkerState::Halted(_))
    }
}

/// Another server that writes what this one writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The newest of its records that was read.
    pub seen_at: Position,
    /// How many of its records were read since this server began.
    pub records: u64,
}

/// The published progress of one worker.
#[derive(Clone, Debug)]
pub struct Progress {
    sender: Arc<watch::Sender<Arc<Standing>>>,
    twin: Arc<Mutex<Option<Twin>>>,
}

impl Progress {
    /// Progress that begins there.
    pub fn new(standing: Standing) -> Progress {
        Progress { sender: Arc::new(watch::Sender::new(Arc::new(standing))), twin: Arc::default() }
    }

    /// Publishes how far the worker is now.
    pub fn publish(&self, standing: Standing) {
        self.sender.send_replace(Arc::new(standing));
    }

    /// Publishes another state at the same positions.
    pub fn enter(&self, state: WorkerState) {
        self.sender.send_modify(|standing| Arc::make_mut(standing).state = state.clone());
    }

    /// A record that another server wrote was read there.
    pub fn saw_twin(&self, at: Position) {
        let mut twin = self.twin.lock().unwrap_or_else(PoisonError::into_inner);
        let records = twin.map_or(0, |twin| twin.records).saturating_add(1);
        *twin = Some(Twin { seen_at: at, records });
    }

    /// The other server that writes what this one writes, if one was seen.
    pub fn twin(&self) -> Option<Twin> {
        *self.twin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the worker is.
    pub fn standing(&self) -> Arc<Standing> {
        self.sender.borrow().clone()
    }

    /// Every standing from now on; one who looks late sees the newest alone.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Standing>> {
        self.sender.subscribe()
    }

    /// Waits until the standing fulfils `reached`, at most that long; false if it didn't or the worker ended.
    pub async fn wait(&self, within: Duration, reached: impl Fn(&Standing) -> bool) -> bool {
        let mut receiver = self.sender.subscribe();
        let done = receiver.wait_for(|standing| reached(standing) || standing.has_ended());
        match tokio::time::timeout(within, done).await {
            Ok(Ok(standing)) => reached(&standing),
            _ => false,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    fn standing(next_offset: u64, oldest_unanswered: Option<u64>) -> Standing {
        let partition = PartitionProgress { next_offset, oldest_unanswered, ..PartitionProgress::default() };
        Standing { partitions: [(Topic::Orders.at(1), partition)].into(), ..Standing::default() }
    }

    fn wait(progress: &Progress, within: Duration, reached: impl Fn(&Standing) -> bool) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(progress.wait(within, reached))
    }

    #[test]
    fn a_record_is_reached_once_it_was_read_and_answered() {
        for (next_offset, oldest_unanswered, expected) in
            [(5, None, false), (6, None, true), (6, Some(5), false), (6, Some(4), false), (7, Some(6), true)]
        {
            let standing = standing(next_offset, oldest_unanswered);
            let said = standing.has_reached(Topic::Orders.at(1).offset(5));
            assert_eq!(said, expected, "{next_offset} {oldest_unanswered:?}");
        }
        assert!(!standing(9, None).has_reached(Topic::Orders.at(2).offset(5)), "a partition that is not read");
        let ends = [5, 6, 7].map(|end| standing(6, Some(1)).has_applied_below(Topic::Orders.at(1), end));
        assert_eq!(ends, [true, true, false]);
        assert!(!standing(6, None).has_applied_below(Topic::Orders.at(2), 0));
    }

    #[test]
    fn a_partitions_progress_is_its_states() {
        let unanswered = [3, 4].into();
        let state = PartitionState { next_offset: 7, unanswered, ..PartitionState::default() };
        let expected = PartitionProgress { next_offset: 7, oldest_unanswered: Some(3), ..PartitionProgress::default() };
        assert_eq!(PartitionProgress::from(&state), expected);
    }

    #[test]
    fn a_worker_that_ended_is_waited_for_no_longer() {
        let progress = Progress::new(standing(1, None));
        let why = || "why".to_owned();
        for (state, name, has_ended) in [
            (WorkerState::CatchingUp, "catching_up", false),
            (WorkerState::Live, "live", false),
            (WorkerState::Stopped(why()), "stopped", true),
            (WorkerState::Halted(why()), "halted", true),
        ] {
            progress.enter(state.clone());
            let now = progress.standing();
            assert_eq!((now.state.as_str(), now.has_ended()), (name, has_ended));
            assert_eq!(*now, Standing { state, ..standing(1, None) }, "at the same positions");
            let within = Duration::from_secs(if has_ended { 3600 } else { 0 });
            assert!(!wait(&progress, within, |_| false));
            assert!(wait(&progress, Duration::from_secs(3600), |standing| !standing.partitions.is_empty()));
        }
        progress.publish(standing(2, None));
        assert_eq!(*progress.standing(), standing(2, None));
    }

    #[test]
    fn another_servers_records_are_counted() {
        let progress = Progress::new(Standing::default());
        assert_eq!(progress.twin(), None);
        for (offset, records) in [(3, 1), (9, 2)] {
            let seen_at = Topic::Orders.at(0).offset(offset);
            progress.saw_twin(seen_at);
            assert_eq!(progress.twin(), Some(Twin { seen_at, records }));
        }
    }
}
