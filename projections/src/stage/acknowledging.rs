//! The other half of a stage: what follows from acknowledgements: answers, progress, and what may be kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::{At, Error, Urgency};

use super::keeping::Keeping;
use super::outbox::{Acknowledged, Outbox};
use super::runner::IDLE;
use crate::intake::answers::{Answer, Answers};
use crate::worker::pace;
use crate::worker::progress::{Progress, Standing, WorkerState};

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
    /// Publishes where the stage begins.
    pub(super) fn begin(&mut self) {
        self.look_at_ends();
        self.progress.publish(self.standing.clone());
    }

    pub(super) fn run(mut self, mut keeping: Keeping) {
        let _waking = Waking(Arc::clone(&self.outbox));
        let (keep, kept) = channel();
        let keeper = std::thread::spawn(move || keeping.run(&kept));
        let mut urgency = Urgency::default();
        loop {
            let last_round = self.ended.load(Ordering::Acquire);
            let Some(done) = self.turn(if last_round { Duration::ZERO } else { IDLE }) else { break };
            urgency.be(pace::is_live(done.iter().map(|done| done.answers.len()).sum()));
            for done in done {
                // The keeper has ended only if it panicked; the stage then runs on without new snapshots.
                let _ = keep.send(done);
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

    /// Waits for acknowledgements, follows them, and gives what may be kept; `None` once a delivery failed.
    pub(super) fn turn(&mut self, within: Duration) -> Option<Vec<Acknowledged>> {
        match self.outbox.take_acknowledged(within) {
            Ok(mut done) => {
                if !done.is_empty() {
                    self.publish(&mut done);
                }
                Some(done)
            }
            Err(error) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        }
    }

    fn publish(&mut self, done: &mut [Acknowledged]) {
        for done in done {
            let partition = self.source.at(done.batch.partition);
            if let Some(answers) = &self.answers {
                let answer = |(asked, offset, event)| (asked, Answer { position: partition.offset(offset), event });
                answers.publish(partition.partition, std::mem::take(&mut done.answers).into_iter().map(answer));
            }
            let progress = self.standing.partitions.entry(partition).or_default();
            progress.next_offset = progress.next_offset.max(done.batch.passed);
            progress.recorded_at = progress.recorded_at.max(done.batch.recorded_at);
            progress.consumed = done.batch.accounting.consumed();
            progress.accounting = done.batch.accounting;
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
