//! A projection as calls see it: the generation that answers, how far it is, and the one that replaces it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::folding::states_of;
use orderledger_projections::worker::partition::PartitionState;
use orderledger_projections::worker::progress::{PartitionProgress, Progress, Standing, WorkerState};
use orderledger_projections::worker::projection::Running;
use orderledger_projections::worker::rest::Rest;
use orderledger_store::generations::Generations;
use orderledger_store::views::{REBUILDING, View, ViewReader};
use orderledger_store::{At, Error};

use super::kinds::Kind;
use super::rebuild::job::{Job, Phase};

/// One projection: its live generation.
pub struct ViewHandle {
    /// The projection's name.
    pub name: &'static str,
    /// The generation that answers.
    pub live: ArcSwap<Generation>,
    pub(crate) kind: Kind,
    /// The live view was put aside when it was opened, or lost: nothing works on the fresh one in its place, which nobody reads, until
    /// a rebuild has replaced it. (One of an older schema is read: its view says so itself.)
    pub(crate) is_incomplete: AtomicBool,
    /// At the start there was nothing of it, on a log that has records, or rows of before a newer program took over: until it is at
    /// the log's end there is no whole set of views. Not any longer once it can't be made.
    pub(crate) is_awaited: AtomicBool,
    pub(crate) seat: Mutex<Seat>,
    pub(crate) head_read: HeadRead,
    /// The newest rebuild or rollback.
    pub(crate) job: Mutex<Option<Arc<Job>>>,
}

/// One generation of a projection.
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Its rows.
    pub view: Arc<View>,
    /// How far its worker is; the same for all generations of a projection.
    pub progress: Progress,
}

/// Who works on the live generation, and where the generations are.
pub(crate) struct Seat {
    pub(crate) generations: Generations,
    pub(crate) running: Option<Running>,
    pub(crate) rest: Rest,
}

/// One moment of a view: rows and positions that belong together.
pub(crate) struct Moment {
    /// The rows.
    pub(crate) reader: ViewReader,
    /// The positions of just these rows.
    pub(crate) partitions: Arc<Positions>,
}

/// How far each partition is.
type Positions = BTreeMap<TopicPartition, PartitionProgress>;

/// What a view's newest head says, read once for all calls between two commits.
#[derive(Default)]
pub(crate) struct HeadRead(ArcSwapOption<(Bytes, Arc<Positions>)>);

impl HeadRead {
    fn of(&self, head: &Bytes) -> Result<Arc<Positions>, Error> {
        if let Some(known) = self.0.load().as_ref() {
            let (of, positions) = known.as_ref();
            // Bytes that are kept are nobody else's: the same place holds the same head.
            if of.as_ptr() == head.as_ptr() && of.len() == head.len() {
                return Ok(Arc::clone(positions));
            }
        }
        let states: BTreeMap<TopicPartition, PartitionState> = states_of(head)?;
        let positions = states.iter().map(|(of, state)| (*of, PartitionProgress::from(state))).collect();
        let positions: Arc<Positions> = Arc::new(positions);
        self.0.store(Some(Arc::new((head.clone(), Arc::clone(&positions)))));
        Ok(positions)
    }
}

impl ViewHandle {
    /// The rows as they are now. [`Error::Unavailable`] while they are made anew.
    pub(crate) fn reader(&self) -> Result<ViewReader, Error> {
        let rebuilding = || Error::unavailable(At::Log, REBUILDING);
        // Asked first: a swap shows the new generation before it says that there is one.
        if self.is_rebuilding() {
            return Err(rebuilding());
        }
        // Damage that is known by now was told in full by the call that found it.
        self.live.load().view.reader().map_err(|error| match error {
            Error::Corrupt { .. } => rebuilding(),
            other => other,
        })
    }

    /// Whether it has come to the log's end since the start.
    pub(crate) fn has_arrived(&self) -> bool {
        !self.is_rebuilding() && self.live.load().progress.standing().state != WorkerState::CatchingUp
    }

    /// Whether it has no rows to answer from, and is made anew.
    pub(crate) fn is_rebuilding(&self) -> bool {
        self.is_incomplete.load(Ordering::Acquire)
    }

    /// Whether its live rows proved damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self.live.load().view.failure(), Some(Error::Corrupt { .. }))
    }

    /// Whether it has no rows that can be trusted.
    pub(crate) fn has_no_rows(&self) -> bool {
        self.is_rebuilding() || self.is_damaged()
    }

    /// The schema version of the rows that are read, where they are an earlier one's: nothing works on them, and a rebuild replaces them.
    pub(crate) fn older_schema(&self) -> Option<u8> {
        let live = self.live.load();
        live.view.is_older().then(|| live.view.schema().version)
    }

    /// Whether it is to be made anew, whatever is read meanwhile.
    pub(crate) fn needs_rebuild(&self) -> bool {
        self.has_no_rows() || self.older_schema().is_some()
    }

    /// The view as it is now.
    pub(crate) fn moment(&self) -> Result<Moment, Error> {
        let reader = self.reader()?;
        let partitions = self.head_read.of(reader.head())?;
        Ok(Moment { reader, partitions })
    }

    /// Waits until the projection's standing fulfils `reached`.
    pub(crate) async fn wait(&self, within: Duration, reached: impl Fn(&Standing) -> bool) -> bool {
        let progress = self.live.load().progress.clone();
        progress.wait(within, reached).await
    }

    pub(crate) fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its projection was let rest, for good or to be compared with the one that is to take its place; who compares has the seat.
    pub(crate) fn rests(&self) -> bool {
        let is_resting = |seat: MutexGuard<'_, Seat>| seat.rest.is_resting();
        self.phase() == Some(Phase::Comparing)
            || match self.seat.try_lock() {
                Ok(seat) => is_resting(seat),
                Err(TryLockError::Poisoned(seat)) => is_resting(seat.into_inner()),
                Err(TryLockError::WouldBlock) => false,
            }
    }

    /// What the rebuild or rollback that runs is doing.
    pub(crate) fn phase(&self) -> Option<Phase> {
        self.job().map(|job| job.state().phase).filter(|phase| !phase.has_ended())
    }

    /// The newest rebuild or rollback since the start.
    pub(crate) fn job(&self) -> Option<Arc<Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
