//! The other half of a stage's loop: what follows from acknowledgements: answers, progress, marks, snapshots.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::snapshot::{Mark, Snapshot, SnapshotStore, TargetMark};
use orderledger_store::{At, Error};

use super::emitter::Emitted;
use super::outbox::{Acknowledged, Outbox};
use super::runner::IDLE;
use crate::intake::answers::{Answer, Answers};
use crate::worker::progress::{Progress, Standing, WorkerState};

/// How often the mark of what is acknowledged is written.
const MARK_EVERY: Duration = Duration::from_millis(500);

/// The other half of a stage: what follows from acknowledgements.
pub(super) struct Acknowledging {
    pub(super) outbox: Arc<Outbox>,
    pub(super) source: Topic,
    pub(super) progress: Progress,
    pub(super) answers: Option<Arc<Answers>>,
    pub(super) standing: Standing,
    pub(super) ends: BTreeMap<TopicPartition, u64>,
    pub(super) failure: Arc<Mutex<Option<Error>>>,
    pub(super) ended: Arc<AtomicBool>,
    pub(super) schema: u16,
}

/// Wakes the stage if taking acknowledgements ends in a panic.
struct Waking(Arc<Outbox>);

impl Drop for Waking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(Error::closed(At::Log, "taking acknowledgements ended in a panic"));
        }
    }
}

impl Acknowledging {
    pub(super) fn run(mut self, stores: Vec<SnapshotStore>) {
        let _waking = Waking(Arc::clone(&self.outbox));
        let (keep, kept) = channel();
        let schema = self.schema;
        let keeper = std::thread::spawn(move || keep_all(&stores, schema, &kept));
        self.look_at_ends();
        self.progress.publish(self.standing.clone());
        loop {
            let last_round = self.ended.load(Ordering::Acquire);
            match self.outbox.take_acknowledged(if last_round { Duration::ZERO } else { IDLE }) {
                Ok(done) => {
                    if !done.is_empty() {
                        self.acknowledge(done, &keep);
                    }
                }
                Err(error) => {
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    break;
                }
            }
            if last_round {
                break;
            }
        }
        drop(keep);
        if keeper.join().is_err() {
            tracing::error!("keeping snapshots ended in a panic");
        }
    }

    fn acknowledge(&mut self, done: Vec<Acknowledged>, keep: &Sender<Acknowledged>) {
        for mut done in done {
            let partition = self.source.at(done.batch.partition);
            if let Some(answers) = &self.answers {
                let answer = |(asked, offset, event)| (asked, Answer { position: partition.offset(offset), event });
                answers.publish(partition.partition, std::mem::take(&mut done.answers).into_iter().map(answer));
            }
            let progress = self.standing.partitions.entry(partition).or_default();
            progress.next_offset = progress.next_offset.max(done.batch.passed);
            progress.recorded_at = progress.recorded_at.max(done.batch.recorded_at);
            progress.accounting = done.batch.accounting;
            // The keeper has ended only if it panicked; the stage then runs on without new snapshots.
            let _ = keep.send(done);
        }
        self.look_at_ends();
        self.progress.publish(self.standing.clone());
    }

    fn look_at_ends(&mut self) {
        let partitions = &self.standing.partitions;
        self.ends.retain(|source, end| partitions.get(source).is_none_or(|progress| progress.next_offset < *end));
        if self.ends.is_empty() {
            self.standing.state = WorkerState::Live;
        }
    }
}

/// Keeps snapshots as they become valid, and marks now and then and at the end.
fn keep_all(stores: &[SnapshotStore], schema: u16, kept: &Receiver<Acknowledged>) {
    let mut marks: BTreeMap<u32, Mark> = BTreeMap::new();
    let mut marked = Instant::now();
    loop {
        let received = kept.recv_timeout(MARK_EVERY);
        let ended = matches!(received, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        if let Ok(done) = received {
            let Acknowledged { batch, targets, .. } = done;
            let (source_next, source_digest) = (batch.next_offset, batch.last_digest);
            let mark = Mark { source_next, source_digest, targets: target_marks(&targets) };
            if let Some(body) = batch.image {
                let targets = mark.targets.clone();
                let snapshot = Snapshot { source_next, source_digest, targets, body };
                with_store(stores, batch.partition, |store| store.write(&snapshot, schema));
            }
            marks.insert(batch.partition, mark);
        }
        if ended || marked.elapsed() >= MARK_EVERY {
            for (partition, mark) in std::mem::take(&mut marks) {
                with_store(stores, partition, |store| store.write_mark(&mark));
            }
            marked = Instant::now();
        }
        if ended {
            return;
        }
    }
}

fn with_store(stores: &[SnapshotStore], partition: u32, write: impl FnOnce(&SnapshotStore) -> Result<(), Error>) {
    let store = usize::try_from(partition).ok().and_then(|place| stores.get(place));
    if let Some(Err(error)) = store.map(write) {
        tracing::warn!(partition, %error, "no snapshot or mark kept: a restart folds a little more");
    }
}

fn target_marks(targets: &BTreeMap<TopicPartition, Emitted>) -> Vec<TargetMark> {
    let mark = |(target, emitted): (&TopicPartition, &Emitted)| TargetMark {
        tp: *target,
        offset: emitted.offset,
        sequence: emitted.mark.sequence,
        digest: emitted.mark.digest,
    };
    targets.iter().map(mark).collect()
}
