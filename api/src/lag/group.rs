//! A group as it is shown.

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::progress::{PartitionProgress, Standing, WorkerState};

use super::class::Class;
use super::partition::Lag;
use super::track::Pace;
use crate::ledger::ViewHandle;

/// One with something to read that has not moved for so long is frozen. The slowest commit, the longest batch and a stage's
/// snapshot take less; a slow reader moves. Tests have less patience.
pub(super) const FROZEN_AFTER: Duration = Duration::from_secs(if cfg!(feature = "faults") { 2 } else { 10 });
/// A group that passes records elsewhere that have waited for longer than that may take so long until a partition's turn comes: its reader
/// takes partitions in turns, and holds some megabytes of each.
pub(super) const TURN_WITHIN: Duration = FROZEN_AFTER.saturating_mul(12);

const LIVE: &str = "live";
const CATCHING_UP: &str = "catching_up";
const REBUILDING: &str = "rebuilding";
const FROZEN: &str = "frozen";
const PARKED: &str = "parked";
/// Every state that a group may be in.
pub(crate) const STATES: [&str; 7] = [LIVE, CATCHING_UP, REBUILDING, FROZEN, PARKED, "stopped", "halted"];

/// A group of workers: a stage, or a projection.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    /// One of [`STATES`].
    pub(crate) state: &'static str,
    /// The schema version of the rows that are read, where they are an earlier one's.
    pub(crate) older_schema: Option<u8>,
    /// What its worker says of itself.
    pub(crate) standing: Arc<Standing>,
    /// Records of all partitions; milliseconds of the one that is most behind.
    pub(crate) lag: Lag,
    /// Offsets passed a second, in all partitions.
    pub(crate) per_second: f64,
    /// Until the last partition is at its end; none if one of them never will be.
    pub(crate) eta: Option<Duration>,
    pub(crate) partitions: Vec<PartitionLag>,
}

/// A group in one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionLag {
    pub(crate) of: TopicPartition,
    pub(crate) at: PartitionProgress,
    pub(crate) lag: Lag,
    pub(crate) pace: Pace,
    /// Whether it has something to read there and has stood still for too long.
    pub(crate) is_frozen: bool,
}

impl PartitionLag {
    /// Frozen; or catching up, if it is further behind than it may be; or live.
    pub(crate) fn state(&self, class: Class) -> &'static str {
        match () {
            () if self.is_frozen => FROZEN,
            () if class.is_exceeded_by(self.lag.millis) => CATCHING_UP,
            () => LIVE,
        }
    }
}

impl Group {
    pub(super) fn new(
        name: &'static str,
        standing: Arc<Standing>,
        partitions: Vec<PartitionLag>,
        view: Option<&ViewHandle>,
    ) -> Group {
        let lag = partitions.iter().fold(Lag::default(), |sum, one| sum.and(one.lag));
        let eta =
            partitions.iter().map(|one| one.pace.eta).try_fold(Duration::ZERO, |longest, eta| Some(longest.max(eta?)));
        Group {
            name,
            class: Class::of(name),
            state: state(&standing, partitions.iter().any(|one| one.is_frozen), view),
            older_schema: view.and_then(ViewHandle::older_schema),
            standing,
            lag,
            per_second: partitions.iter().map(|one| one.pace.per_second).sum(),
            eta,
            partitions,
        }
    }

    /// Whether it has something to read and doesn't move.
    pub(crate) fn is_frozen(&self) -> bool {
        self.state == FROZEN
    }

    /// Whether it is further behind than it may be.
    pub(crate) fn is_over_target(&self) -> bool {
        self.class.is_exceeded_by(self.lag.millis)
    }

    /// What its worker ended with.
    pub(crate) fn error(&self) -> Option<&str> {
        match &self.standing.state {
            WorkerState::Stopped(why) | WorkerState::Halted(why) => Some(why),
            WorkerState::CatchingUp | WorkerState::Live => None,
        }
    }

    /// The first partition in which it stands still.
    pub(crate) fn frozen_in(&self) -> Option<&PartitionLag> {
        self.partitions.iter().find(|one| one.is_frozen)
    }
}

fn state(standing: &Standing, stands_still: bool, view: Option<&ViewHandle>) -> &'static str {
    let phase = view.and_then(ViewHandle::phase);
    match &standing.state {
        _ if view.is_some_and(ViewHandle::needs_rebuild) => REBUILDING,
        WorkerState::Stopped(_) | WorkerState::Halted(_) => standing.state.as_str(),
        _ if stands_still => FROZEN,
        WorkerState::CatchingUp => CATCHING_UP,
        WorkerState::Live if phase.is_some() => REBUILDING,
        WorkerState::Live if standing.parked_entities > 0 => PARKED,
        WorkerState::Live => LIVE,
    }
}
