//! The deciding half of a stage: what was read is folded, and what that decides goes to the outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::event_log::{Fetched, Reader};
use orderledger_store::id_index::Kept;

use super::emitter::Output;
use super::fold::{Failure, StageFold};
use super::gate::{Held, Place};
use super::outbox::{Batch, Image, Outbox};
use super::recovery::{Recovered, Sending};
use super::runner::Setup;
use super::twin::TwinWatch;
use crate::worker::read::Read;
use crate::worker::trace::{self, Handling};

/// After what time a snapshot is kept, if anything was read.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// How many images of partitions are made at once: they stay in memory until they are written.
const IMAGES_AT_ONCE: usize = 3;

/// How one partition goes on.
struct Lane {
    sending: Sending,
    /// The source's end as seen at start, until it is reached.
    end: Option<u64>,
    resent_below: u64,
    passed: u64,
    snapshot_at: u64,
    snapshot_time: Duration,
    twin: TwinWatch,
}

/// The deciding half of a stage: the folds of all partitions.
pub(super) struct Deciding<F> {
    folds: Vec<F>,
    lanes: Vec<Lane>,
    outbox: Arc<Outbox>,
    held: Held,
    /// What the last snapshots rest on.
    kept: Kept,
    failure: Arc<Mutex<Option<Error>>>,
}

impl<F: StageFold> Deciding<F> {
    /// The folds as they were recovered; `failure` is where the other half says why it ended.
    pub(super) fn new(outbox: Arc<Outbox>, failure: Arc<Mutex<Option<Error>>>) -> Deciding<F> {
        Deciding { folds: Vec::new(), lanes: Vec::new(), outbox, held: Held::default(), kept: Kept::already(), failure }
    }

    /// Adds the fold of that partition, whose source ends there now.
    pub(super) fn add(
        &mut self,
        source: TopicPartition,
        recovered: Recovered<F>,
        end: Option<u64>,
        resent_below: u64,
        now: Duration,
    ) {
        let Recovered { fold, sending, .. } = recovered;
        let next = fold.next_offset();
        let twin = TwinWatch::new(source, end.unwrap_or(u64::MAX));
        self.lanes.push(Lane { sending, end, resent_below, passed: next, snapshot_at: next, snapshot_time: now, twin });
        self.folds.push(fold);
    }

    /// Publishes what the folds begin with, and looks whether all was read already.
    pub(super) fn begin(&mut self, setup: &mut Setup<F::Shared>) -> Result<(), Failure> {
        F::end_batch(&mut self.folds, &mut setup.shared, false)?;
        self.check_ends(&mut setup.place)
    }

    /// Waits for records, unless the other half has ended.
    pub(super) fn poll(&self, reader: &mut dyn Reader, within: Duration) -> Result<Vec<Fetched>, Failure> {
        match self.failure().take() {
            Some(error) => Err(Failure::Store(error)),
            None => Ok(reader.poll(within)?),
        }
    }

    /// Folds what the reader gave and hands it on.
    pub(super) fn turn(
        &mut self,
        setup: &mut Setup<F::Shared>,
        reader: &mut dyn Reader,
        fetched: Vec<Fetched>,
    ) -> Result<(), Failure> {
        let mut batches = Vec::new();
        for fetched in fetched {
            batches.push(self.fold(setup, fetched)?);
        }
        self.pass_holes(setup.source, reader, &mut batches);
        self.check_ends(&mut setup.place)?;
        let due = self.snapshots_due(setup.snapshot_records, setup.clock.now());
        if !batches.is_empty() || !due.is_empty() {
            let kept = F::end_batch(&mut self.folds, &mut setup.shared, !due.is_empty())?;
            if !due.is_empty() {
                self.keep_images(&mut batches, &due, &kept)?;
                self.kept = kept;
            }
        }
        for batch in self.held.pass(batches, &setup.place, &setup.stop)? {
            self.outbox.push(batch)?;
        }
        if self.held.is_empty() {
            self.lanes.iter_mut().for_each(|lane| lane.twin.sent());
        }
        reader.report(&|| acknowledged(setup));
        Ok(())
    }

    fn fold(&mut self, setup: &mut Setup<F::Shared>, fetched: Fetched) -> Result<Batch, Failure> {
        let Fetched { from, records } = fetched;
        let place = usize::try_from(from.partition).unwrap_or(usize::MAX);
        let (Some(fold), Some(lane)) = (self.folds.get_mut(place), self.lanes.get_mut(place)) else {
            return Err(Failure::Halt(format!("a record of {from}, which this stage doesn't read")));
        };
        let mut outputs: Vec<Output> = Vec::new();
        let mut recorded_at = Default::default();
        let consumed = fold.accounting().consumed().saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
        let last_at = records.last().map_or(0, |last| last.recorded_at_ms);
        for mut record in records {
            if planted::is(Bug::OutputsDependOnBatches) {
                record.recorded_at_ms = last_at;
            }
            let read = Read::new(from, record, &setup.key);
            let before = outputs.len();
            lane.twin.look(&read, &setup.progress);
            let handling = Handling::of(&read, F::NAME);
            let span = trace::deciding(handling, &read, F::NAME);
            match span.in_scope(|| fold.step(&read, &mut setup.shared, &mut outputs)) {
                Err(Failure::Gap(_)) if read.position.offset < lane.resent_below => {}
                stepped => stepped?,
            }
            outputs.iter_mut().skip(before).for_each(|output| output.trace = handling.map(Handling::context));
            trace::decided(&span, outputs.len().saturating_sub(before));
            recorded_at = read.recorded_at;
            lane.twin.wrote(outputs.iter().skip(before));
            lane.sending.keep_wanted(&mut outputs, before)?;
        }
        let sum = fold.accounting().consumed();
        if sum != consumed {
            return Err(Failure::Halt(format!(
                "{from}: {consumed} records were consumed, but what became of them sums up to {sum}: this is a fault of \
                 the program"
            )));
        }
        Ok(batch_of(fold, from.partition, recorded_at, outputs))
    }

    /// Where a source's end as seen at start is reached, the replay must have given all that stands in the target logs.
    /// Once all is found, no other stage waits for this one.
    fn check_ends(&mut self, place: &mut Place) -> Result<(), Failure> {
        for lane in &mut self.lanes {
            if lane.end.is_some_and(|end| lane.passed >= end) {
                lane.end = None;
                lane.sending.check_reproduced()?;
            }
        }
        if self.lanes.iter().all(|lane| lane.sending.has_reproduced()) {
            place.found();
        }
        Ok(())
    }

    /// Says how far the reader has passed each partition, holes included.
    fn pass_holes(&mut self, source: Topic, reader: &dyn Reader, batches: &mut Vec<Batch>) {
        for (partition, (fold, lane)) in (0..).zip(self.folds.iter().zip(&mut self.lanes)) {
            let passed = reader.position(source.at(partition));
            if passed <= lane.passed {
                continue;
            }
            lane.passed = passed;
            match batches.iter_mut().rev().find(|batch| batch.partition == partition) {
                Some(batch) => batch.passed = batch.passed.max(passed),
                None => batches.push(Batch { passed, ..batch_of(fold, partition, Default::default(), Vec::new()) }),
            }
        }
    }

    /// The partitions of which a snapshot is due: enough was read, or anything was and enough time went by or there is
    /// no snapshot yet; a start that finds none reads all target logs.
    fn snapshots_due(&mut self, records_max: u64, now: Duration) -> Vec<usize> {
        let mut due = Vec::new();
        for (place, (fold, lane)) in self.folds.iter().zip(&mut self.lanes).enumerate() {
            // Nobody waits for what the last ones rest on: these come later.
            if due.len() >= IMAGES_AT_ONCE || !self.held.is_empty() || !self.kept.has_ended() {
                break;
            }
            let read = fold.next_offset().saturating_sub(lane.snapshot_at);
            let aged = now.saturating_sub(lane.snapshot_time) >= SNAPSHOT_EVERY;
            let soon = aged || lane.snapshot_at == 0;
            if (read >= records_max || (soon && read > 0)) && !lane.sending.holds_back(fold.next_offset()) {
                due.push(place);
                (lane.snapshot_at, lane.snapshot_time) = (fold.next_offset(), now);
            }
        }
        due
    }

    /// Puts the images of the due partitions into their batches, or into empty ones.
    fn keep_images(&self, batches: &mut Vec<Batch>, due: &[usize], rests_on: &Kept) -> Result<(), Error> {
        for place in due {
            let Some(fold) = self.folds.get(*place) else { continue };
            let partition = u32::try_from(*place).unwrap_or(u32::MAX);
            let image = Some(Image { body: fold.image()?, rests_on: rests_on.clone() });
            match batches.iter_mut().rev().find(|batch| batch.partition == partition) {
                Some(batch) => batch.image = image,
                None => batches.push(Batch { image, ..batch_of(fold, partition, Default::default(), Vec::new()) }),
            }
        }
        Ok(())
    }

    /// Keeps a last snapshot of every partition, where all that was read is on its way.
    pub(super) fn keep_last_images(&mut self, setup: &mut Setup<F::Shared>) {
        if !self.held.is_empty() {
            return;
        }
        let read = |place: &usize| {
            let (fold, lane) = (self.folds.get(*place), self.lanes.get(*place));
            fold.zip(lane).is_some_and(|(fold, lane)| {
                fold.next_offset() > lane.snapshot_at && !lane.sending.holds_back(fold.next_offset())
            })
        };
        let due: Vec<usize> = (0..self.folds.len()).filter(read).collect();
        let mut batches = Vec::new();
        let kept = F::end_batch(&mut self.folds, &mut setup.shared, true)
            .and_then(|kept| self.keep_images(&mut batches, &due, &kept))
            .and_then(|()| batches.into_iter().try_for_each(|batch| self.outbox.push(batch)));
        if let Err(error) = kept {
            tracing::warn!(stage = F::NAME, %error, "no last snapshot: the next start folds a little more");
        }
    }

    /// Whether all is acknowledged, or a delivery failed.
    pub(super) fn is_drained(&self) -> bool {
        self.outbox.is_empty() || self.failure().is_some()
    }

    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The positions up to which every output is acknowledged.
fn acknowledged<S>(setup: &Setup<S>) -> Vec<(TopicPartition, u64)> {
    let standing = setup.progress.standing();
    standing.partitions.iter().map(|(of, progress)| (*of, progress.next_offset)).collect()
}

fn batch_of<F: StageFold>(
    fold: &F,
    partition: u32,
    recorded_at: orderledger_domain::timestamp::Timestamp,
    outputs: Vec<Output>,
) -> Batch {
    Batch {
        partition,
        next_offset: fold.next_offset(),
        passed: fold.next_offset(),
        last_digest: fold.last().map_or(0, |(_, digest)| digest),
        recorded_at,
        accounting: fold.accounting(),
        outputs,
        image: None,
    }
}
