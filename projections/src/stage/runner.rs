//! The loop of a stage: read, fold, hand to the outbox; and its other half: acknowledgements, answers, marks, snapshots.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{AppenderKind, EventLog, Fetched, Reader, ReaderKind};
use orderledger_store::{At, Error};

use super::acknowledging::Acknowledging;
use super::emitter::Output;
use super::fold::{Failure, StageFold};
use super::outbox::{Batch, Outbox};
use super::recovery::{Recovered, Sending};
use super::restore::{Restored, restore};
use crate::intake::answers::Answers;
use crate::worker::pace;
use crate::worker::pauses::{Pauses, is_worth_another};
use crate::worker::progress::{PartitionProgress, Progress, Standing, WorkerState};
use crate::worker::read::Read;
use crate::worker::stop::Stop;

/// After how many records of a partition a snapshot is kept; a restart folds at most about so many again.
const SNAPSHOT_RECORDS: u64 = 20_000;
/// After what time a snapshot is kept, if anything was read.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// How many images of partitions are made at once: they stay in memory until they are written.
const IMAGES_AT_ONCE: usize = 3;
/// How long a loop waits for something to do before it looks whether to stop.
pub(super) const IDLE: Duration = Duration::from_millis(200);
/// How long the end of a stage waits for its last acknowledgements.
const DRAIN: Duration = Duration::from_secs(5);

/// What a stage is started with.
pub struct Setup<S> {
    /// The log it reads and writes.
    pub log: Arc<dyn EventLog>,
    /// The topic it reads.
    pub source: Topic,
    /// The directory of its snapshots, a folder a partition below it.
    pub directory: PathBuf,
    /// The key of the streams.
    pub key: StreamKey,
    /// What its partitions share.
    pub shared: S,
    /// Where it publishes its acknowledged progress.
    pub progress: Progress,
    /// Where intake's answers go.
    pub answers: Option<Arc<Answers>>,
    /// Says when to end.
    pub stop: Stop,
}

/// A running stage.
pub struct Running {
    fold: JoinHandle<()>,
}

impl Running {
    /// Waits until the stage has ended; it drains its outbox and keeps a last snapshot first.
    pub fn join(self) {
        if self.fold.join().is_err() {
            tracing::error!("a stage ended in a panic");
        }
    }
}

/// Restores the stage and starts it. Refuses to start where log and data directory disagree.
pub fn start<F: StageFold + 'static>(mut setup: Setup<F::Shared>) -> Result<Running, Error>
where
    F::Shared: Send + 'static,
{
    let restored = restore::<F>(&setup, true)?;
    let run = move || {
        let ended = run_until_it_ends::<F>(&mut setup, restored);
        setup.progress.enter(match ended {
            Ok(()) => WorkerState::Stopped("the program ends".to_owned()),
            Err(Failure::Store(error)) if !matches!(error, Error::Refused { .. }) => {
                tracing::error!(stage = F::NAME, %error, "the stage stops");
                WorkerState::Stopped(error.to_string())
            }
            Err(failure) => {
                tracing::error!(stage = F::NAME, "the stage halts: {failure}");
                WorkerState::Halted(failure.to_string())
            }
        });
    };
    let fold = std::thread::Builder::new()
        .name(F::NAME.to_owned())
        .spawn(run)
        .map_err(|error| Error::unavailable(At::Log, "the system gives no thread to read it").with_source(error))?;
    Ok(Running { fold })
}

/// Runs the stage, and begins again from its snapshots where that can help: after a gap in its own records, and after
/// a failed delivery or a log that gave no answer, with pauses. Repeats are harmless.
fn run_until_it_ends<F: StageFold>(setup: &mut Setup<F::Shared>, restored: Restored<F>) -> Result<(), Failure> {
    let mut pauses = Pauses::default();
    let mut result = run_until_failure(setup, restored);
    loop {
        let trust_marks = match result {
            Err(Failure::Gap(what)) if pauses.wait(&setup.stop, &setup.progress) => {
                tracing::error!(stage = F::NAME, "{what}; sending again");
                false
            }
            Err(Failure::Store(error)) if is_worth_another(&error) && pauses.wait(&setup.stop, &setup.progress) => {
                tracing::warn!(stage = F::NAME, %error, "the stage begins again from its last snapshots");
                true
            }
            other => return other,
        };
        F::begin_again(&mut setup.shared);
        result = match restore::<F>(setup, trust_marks) {
            Ok(restored) => run_until_failure(setup, restored),
            Err(error) => Err(Failure::Store(error)),
        };
    }
}

struct Lane {
    sending: Sending,
    /// The source's end as seen at start, until it is reached.
    end: Option<u64>,
    resent_below: u64,
    passed: u64,
    snapshot_at: u64,
    snapshot_time: Instant,
}

struct Stage<'a, F: StageFold> {
    setup: &'a mut Setup<F::Shared>,
    folds: Vec<F>,
    lanes: Vec<Lane>,
    outbox: Arc<Outbox>,
    failure: Arc<Mutex<Option<Error>>>,
}

fn run_until_failure<F: StageFold>(setup: &mut Setup<F::Shared>, restored: Restored<F>) -> Result<(), Failure> {
    let appender = setup.log.appender(AppenderKind::Stage)?;
    let outbox = Outbox::new(appender, setup.log.commits_batches_atomically(), setup.stop.clone());
    let (mut folds, mut lanes, mut from) = (Vec::new(), Vec::new(), Vec::new());
    let mut standing = Standing::default();
    for ((partition, recovered), resent_below) in (0..).zip(restored.recovered).zip(restored.resent_below) {
        let Recovered { fold, sending, targets } = recovered;
        let (next, source) = (fold.next_offset(), setup.source.at(partition));
        outbox.resume(partition, targets);
        from.push((source, next));
        let progress = PartitionProgress { next_offset: next, accounting: fold.accounting(), ..Default::default() };
        standing.partitions.insert(source, progress);
        let (end, snapshot_time) = (restored.ends.get(&source).copied(), Instant::now());
        lanes.push(Lane { sending, end, resent_below, passed: next, snapshot_at: next, snapshot_time });
        folds.push(fold);
    }
    F::end_batch(&mut folds, &mut setup.shared, false)?;
    let failure = Arc::new(Mutex::new(None));
    let ended = Arc::new(AtomicBool::new(false));
    let acknowledging = Acknowledging {
        outbox: Arc::clone(&outbox),
        source: setup.source,
        progress: setup.progress.clone(),
        answers: setup.answers.clone(),
        standing,
        ends: restored.ends,
        failure: Arc::clone(&failure),
        ended: Arc::clone(&ended),
        schema: F::SCHEMA,
    };
    let mut reader = setup.log.reader(&from, ReaderKind::Group(F::NAME))?;
    let mut stage = Stage { setup, folds, lanes, outbox, failure };
    std::thread::scope(|scope| {
        let acknowledging = scope.spawn(move || acknowledging.run(restored.stores));
        // After a panic here too: else the scope would wait for ever.
        let ending = Ending(ended);
        let result = match stage.run(&mut *reader) {
            Ok(()) => {
                stage.keep_last_images();
                stage.drain();
                Ok(())
            }
            // A full outbox gives up when the end is asked for. Then the folds are ahead of what it took: no snapshot of
            // them may be kept, the next start reads that again.
            Err(failure) if stage.setup.stop.is_set() => {
                tracing::info!(stage = F::NAME, "{failure}");
                stage.drain();
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        drop(ending);
        let panicked = acknowledging.join().is_err();
        if panicked { Err(Failure::Halt("taking acknowledgements ended in a panic".to_owned())) } else { result }
    })
}

/// Tells the other half of the stage to end when this half has.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<F: StageFold> Stage<'_, F> {
    fn run(&mut self, reader: &mut dyn Reader) -> Result<(), Failure> {
        self.check_ends()?;
        while !self.setup.stop.is_set() {
            if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(Failure::Store(error));
            }
            let fetched = reader.poll(IDLE)?;
            let begun = Instant::now();
            let records: usize = fetched.iter().map(|fetched| fetched.records.len()).sum();
            let mut batches = Vec::new();
            for fetched in fetched {
                batches.push(self.fold(fetched)?);
            }
            self.pass_holes(reader, &mut batches);
            self.check_ends()?;
            let due = self.snapshots_due();
            if !batches.is_empty() || !due.is_empty() {
                F::end_batch(&mut self.folds, &mut self.setup.shared, !due.is_empty())?;
            }
            self.keep_images(&mut batches, &due)?;
            for batch in batches {
                self.outbox.push(batch)?;
            }
            reader.report(&|| self.acknowledged());
            if records > 0 {
                pace::wait(begun, self.setup.log.gathering(), records);
            }
        }
        Ok(())
    }

    /// The positions up to which every output is acknowledged.
    fn acknowledged(&self) -> Vec<(TopicPartition, u64)> {
        let standing = self.setup.progress.standing();
        standing.partitions.iter().map(|(of, progress)| (*of, progress.next_offset)).collect()
    }

    fn fold(&mut self, fetched: Fetched) -> Result<Batch, Failure> {
        let Fetched { from, records } = fetched;
        let place = usize::try_from(from.partition).unwrap_or(usize::MAX);
        let (Some(fold), Some(lane)) = (self.folds.get_mut(place), self.lanes.get_mut(place)) else {
            return Err(Failure::Halt(format!("a record of {from}, which this stage doesn't read")));
        };
        let mut outputs: Vec<Output> = Vec::new();
        let mut recorded_at = Default::default();
        for record in records {
            let read = Read::new(from, record, &self.setup.key);
            let before = outputs.len();
            match fold.step(&read, &mut self.setup.shared, &mut outputs) {
                Err(Failure::Gap(_)) if read.position.offset < lane.resent_below => {}
                stepped => stepped?,
            }
            recorded_at = read.recorded_at;
            keep_wanted(&mut outputs, before, &mut lane.sending)?;
        }
        Ok(batch_of(fold, from.partition, recorded_at, outputs))
    }

    /// Where a source's end as seen at start is reached, the replay must have given all that stands in the target logs.
    fn check_ends(&mut self) -> Result<(), Failure> {
        for lane in &mut self.lanes {
            if lane.end.is_some_and(|end| lane.passed >= end) {
                lane.end = None;
                lane.sending.check_reproduced()?;
            }
        }
        Ok(())
    }

    /// Says how far the reader has passed each partition, holes included.
    fn pass_holes(&mut self, reader: &dyn Reader, batches: &mut Vec<Batch>) {
        for (partition, (fold, lane)) in (0..).zip(self.folds.iter().zip(&mut self.lanes)) {
            let passed = reader.position(self.setup.source.at(partition));
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
    fn snapshots_due(&mut self) -> Vec<usize> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (place, (fold, lane)) in self.folds.iter().zip(&mut self.lanes).enumerate() {
            if due.len() >= IMAGES_AT_ONCE {
                break;
            }
            let read = fold.next_offset().saturating_sub(lane.snapshot_at);
            let aged = now.duration_since(lane.snapshot_time) >= SNAPSHOT_EVERY;
            let soon = aged || lane.snapshot_at == 0;
            if (read >= SNAPSHOT_RECORDS || (soon && read > 0)) && !lane.sending.holds_back(fold.next_offset()) {
                due.push(place);
                (lane.snapshot_at, lane.snapshot_time) = (fold.next_offset(), now);
            }
        }
        due
    }

    /// Puts the images of the due partitions into their batches, or into empty ones.
    fn keep_images(&self, batches: &mut Vec<Batch>, due: &[usize]) -> Result<(), Error> {
        for place in due {
            let Some(fold) = self.folds.get(*place) else { continue };
            let partition = u32::try_from(*place).unwrap_or(u32::MAX);
            let image = Some(fold.image()?);
            match batches.iter_mut().rev().find(|batch| batch.partition == partition) {
                Some(batch) => batch.image = image,
                None => batches.push(Batch { image, ..batch_of(fold, partition, Default::default(), Vec::new()) }),
            }
        }
        Ok(())
    }

    /// Keeps a last snapshot of every partition, where all that was read is on its way.
    fn keep_last_images(&mut self) {
        let read = |place: &usize| {
            let (fold, lane) = (self.folds.get(*place), self.lanes.get(*place));
            fold.zip(lane).is_some_and(|(fold, lane)| {
                fold.next_offset() > lane.snapshot_at && !lane.sending.holds_back(fold.next_offset())
            })
        };
        let due: Vec<usize> = (0..self.folds.len()).filter(read).collect();
        let mut batches = Vec::new();
        let kept = F::end_batch(&mut self.folds, &mut self.setup.shared, true)
            .and_then(|()| self.keep_images(&mut batches, &due))
            .and_then(|()| batches.into_iter().try_for_each(|batch| self.outbox.push(batch)));
        if let Err(error) = kept {
            tracing::warn!(stage = F::NAME, %error, "no last snapshot: the next start folds a little more");
        }
    }

    /// Waits, for a while, until all is acknowledged or a delivery failed.
    fn drain(&self) {
        let deadline = Instant::now() + DRAIN;
        let failed = || self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        while !self.outbox.is_empty() && !failed() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
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

/// Drops the outputs from `before` on that are not to be sent.
fn keep_wanted(outputs: &mut Vec<Output>, before: usize, sending: &mut Sending) -> Result<(), Failure> {
    for output in outputs.split_off(before) {
        if sending.wants(&output)? {
            outputs.push(output);
        }
    }
    Ok(())
}
