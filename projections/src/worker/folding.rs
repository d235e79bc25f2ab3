//! A fold on its view: records in, rows and positions committed together, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::{DigestAt, View};
use orderledger_store::{At, Error, codec};

use super::fold::{Failure, Fold, Outcome, Unappliable};
use super::partition::{Arrived, PartitionState, claims_to_be_derived};
use super::progress::{PartitionProgress, Standing, WorkerState};
use super::read::Read;
use super::standing::check_standing;

/// The schema of a view's head: topic number, partition and state of every partition read.
const HEAD_SCHEMA: u8 = 1;
type Head = Vec<(u8, u32, PartitionState)>;

/// A projection's fold with the view that holds its rows and how far it knows each partition.
pub struct Folding<F> {
    fold: F,
    view: Arc<View>,
    states: BTreeMap<TopicPartition, PartitionState>,
}

impl<F: Fold> Folding<F> {
    /// Takes up the fold where its view stands. Refuses where the log doesn't bear the view out.
    pub fn resume(view: Arc<View>, log: &dyn EventLog, key: &StreamKey, kept: &str) -> Result<Folding<F>, Error> {
        let mut folding = Folding { fold: F::load(&view, log.partitions())?, states: read_head(&view)?, view };
        for topic in F::TOPICS {
            for partition in 0..log.partitions() {
                let partition = topic.at(partition);
                let state = folding.states.entry(partition).or_default();
                check_standing(log, key, partition, state.last, F::NAME, kept.as_ref())?;
                let first = log.first_offset(partition)?;
                if state.next_offset < first {
                    let what = format!(
                        "the log begins at offset {first}, after the position of the {} view: a rebuild from offset \
                         zero is impossible; restore the log or the data directory",
                        F::NAME
                    );
                    return Err(Error::refused(partition, what));
                }
            }
        }
        Ok(folding)
    }

    /// Where to read on, partition by partition.
    pub fn positions(&self) -> Vec<(TopicPartition, u64)> {
        self.states.iter().map(|(partition, state)| (*partition, state.next_offset)).collect()
    }

    /// Applies one record. After a failure nothing since the last commit may be committed: resume again.
    pub fn take(&mut self, read: &Read) -> Result<(), Failure> {
        let state = self.states.entry(read.position.topic_partition()).or_default();
        let arrived = state.take(read).map_err(|error| Unappliable(error.to_string()))?;
        let outcome = self.fold.apply(&self.view, read, arrived)?;
        let count = match (arrived, outcome) {
            (Arrived::Repeat { .. }, _) => &mut state.accounting.duplicate,
            (Arrived::Outside, _) if is_misplaced(read) => &mut state.accounting.rejected,
            (_, Outcome::Applied) => &mut state.accounting.applied,
            (_, Outcome::Ignored) => &mut state.accounting.ignored,
        };
        *count += 1;
        Ok(())
    }

    /// Passes offsets that hold no record, as far as everything was read; true if there were any.
    pub fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool {
        let mut passed = false;
        for (partition, state) in &mut self.states {
            let position = read_below(*partition);
            if position > state.next_offset {
                state.next_offset = position;
                passed = true;
            }
        }
        passed
    }

    /// Commits the rows that changed, with the positions, in one write.
    pub fn commit(&mut self) -> Result<(), Error> {
        let mut changes = self.view.changes();
        self.fold.write_rows(&self.view, &mut changes)?;
        let head: Head = self
            .states
            .iter()
            .map(|(partition, state)| (partition.topic.number(), partition.partition, state.clone()))
            .collect();
        self.view.commit(changes, codec::encode(HEAD_SCHEMA, &head)?)
    }

    /// How far the fold is.
    pub fn standing(&self, state: WorkerState) -> Standing {
        let partitions = self.states.iter().map(|(partition, state)| (*partition, PartitionProgress::from(state)));
        Standing { state, partitions: partitions.collect() }
    }

    /// The view.
    pub const fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Whether it reads that topic.
    pub fn reads(topic: Topic) -> bool {
        F::TOPICS.contains(&topic)
    }
}

/// Whether only a stage may write such a record here, and no stage wrote it.
fn is_misplaced(read: &Read) -> bool {
    matches!(read.position.topic, Topic::Books | Topic::Trades) || claims_to_be_derived(read)
}

/// The states of all partitions as the view's head says.
fn read_head(view: &View) -> Result<BTreeMap<TopicPartition, PartitionState>, Error> {
    let reader = view.reader()?;
    states_of(reader.head())
}

/// The states of all partitions that a head says; none in an empty one.
pub fn states_of(head: &[u8]) -> Result<BTreeMap<TopicPartition, PartitionState>, Error> {
    if head.is_empty() {
        return Ok(BTreeMap::new());
    }
    let head: Head = codec::decode(HEAD_SCHEMA, head)?;
    head.into_iter()
        .map(|(topic, partition, state)| {
            let topic = Topic::from_number(topic).ok_or_else(|| Error::corrupt(At::Frame, "an unknown topic"))?;
            Ok((topic.at(partition), state))
        })
        .collect()
}

/// A folding whose fold is any: several share one pass over the log.
pub trait AnyFolding: Send {
    /// The projection's name.
    fn name(&self) -> &'static str;
    /// Applies a record, if the projection reads its topic.
    fn take(&mut self, read: &Read) -> Result<(), Failure>;
    /// Passes offsets that hold no record.
    fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool;
    /// Commits what was applied.
    fn commit(&mut self) -> Result<(), Error>;
    /// The digest of all rows, computed afresh.
    fn digest(&self) -> Result<DigestAt, Error>;
    /// The view.
    fn view(&self) -> &Arc<View>;
    /// The topics it reads.
    fn topics(&self) -> &'static [Topic];
    /// Where to read on, partition by partition.
    fn positions(&self) -> Vec<(TopicPartition, u64)>;
}

impl<F: Fold> AnyFolding for Folding<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn take(&mut self, read: &Read) -> Result<(), Failure> {
        if Self::reads(read.position.topic) { Folding::take(self, read) } else { Ok(()) }
    }

    fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool {
        Folding::pass_holes(self, read_below)
    }

    fn commit(&mut self) -> Result<(), Error> {
        Folding::commit(self)
    }

    fn digest(&self) -> Result<DigestAt, Error> {
        self.view.compute_digest()
    }

    fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn topics(&self) -> &'static [Topic] {
        F::TOPICS
    }

    fn positions(&self) -> Vec<(TopicPartition, u64)> {
        Folding::positions(self)
    }
}
