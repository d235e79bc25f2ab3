//! A folding whose fold is any: several share one pass over the log.

use std::sync::Arc;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::{DigestAt, View};

use super::fold::{Failure, Fold};
use super::folding::Folding;
use super::progress::{Standing, WorkerState};
use super::projection::{Running, Setup, start_with};
use super::read::Read;

/// Records that wait and are applied until the next commit.
const RELEASED_AT_ONCE: usize = 20_000;

/// A folding whose fold is any.
pub trait AnyFolding: Send {
    /// The projection's name.
    fn name(&self) -> &'static str;
    /// Applies a record, if the projection reads its topic.
    fn take(&mut self, read: &Read) -> Result<(), Failure>;
    /// Reads operators' decisions up to their end as it is now.
    fn read_decisions(&mut self, log: &dyn EventLog, key: &StreamKey) -> Result<(), Failure>;
    /// Applies all that waits and is to be applied, and commits it.
    fn release_all(&mut self, log: &dyn EventLog, key: &StreamKey) -> Result<(), Failure>;
    /// Passes offsets that hold no record.
    fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool;
    /// Whether its fold holds so much that a commit is due.
    fn is_full(&self) -> bool;
    /// Commits what was applied.
    fn commit(&mut self) -> Result<(), Failure>;
    /// The digest of all rows, computed afresh.
    fn digest(&self) -> Result<DigestAt, Error>;
    /// The view.
    fn view(&self) -> &Arc<View>;
    /// Whether it reads that topic.
    fn reads(&self, topic: Topic) -> bool;
    /// How far it is, while it is not at the log's end.
    fn standing(&self) -> Standing;
    /// Where to read on, partition by partition.
    fn positions(&self) -> Vec<(TopicPartition, u64)>;
    /// Starts it, on the view that it has.
    fn start(self: Box<Self>, setup: Setup) -> Result<Running, Error>;
}

impl<F: Fold + 'static> AnyFolding for Folding<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn take(&mut self, read: &Read) -> Result<(), Failure> {
        if Self::reads(read.position.topic) { Folding::take(self, read) } else { Ok(()) }
    }

    fn read_decisions(&mut self, log: &dyn EventLog, key: &StreamKey) -> Result<(), Failure> {
        Folding::read_decisions(self, log, key).map(drop)
    }

    fn release_all(&mut self, log: &dyn EventLog, key: &StreamKey) -> Result<(), Failure> {
        while self.is_releasing() {
            self.release(log, key, RELEASED_AT_ONCE)?;
            Folding::commit(self)?;
        }
        Ok(())
    }

    fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool {
        Folding::pass_holes(self, read_below)
    }

    fn is_full(&self) -> bool {
        self.fold.is_full()
    }

    fn commit(&mut self) -> Result<(), Failure> {
        Folding::commit(self)
    }

    fn digest(&self) -> Result<DigestAt, Error> {
        self.view.compute_digest()
    }

    fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn reads(&self, topic: Topic) -> bool {
        Self::reads(topic)
    }

    fn standing(&self) -> Standing {
        Folding::standing(self, WorkerState::CatchingUp)
    }

    fn positions(&self) -> Vec<(TopicPartition, u64)> {
        Folding::positions(self)
    }

    fn start(self: Box<Self>, setup: Setup) -> Result<Running, Error> {
        start_with(setup, *self)
    }
}
