//! The loop of a projection: read, fold, commit, publish.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Fetched, ReaderKind};
use orderledger_store::views::View;
use orderledger_store::{At, Error};

use super::fold::{Failure, Fold};
use super::folding::Folding;
use super::pace;
use super::pauses::{Pauses, is_the_logs};
use super::progress::{Progress, WorkerState};
use super::read::Read;
use super::stop::Stop;

/// How long a loop waits for something to do before it looks whether to stop.
const IDLE: Duration = Duration::from_millis(200);

/// What a projection is started with.
pub struct Setup {
    /// The log it reads.
    pub log: Arc<dyn EventLog>,
    /// The key of the streams.
    pub key: StreamKey,
    /// The view that holds its rows.
    pub view: Arc<View>,
    /// Where the view is kept, for messages.
    pub kept: String,
    /// Where it publishes its progress.
    pub progress: Progress,
    /// Says when to end.
    pub stop: Stop,
}

/// A running projection.
pub struct Running {
    thread: JoinHandle<()>,
}

impl Running {
    /// Waits until the projection has ended and its view is flushed and synced.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a projection ended in a panic");
        }
    }
}

/// Takes the projection up where its view stands and starts it. Refuses where the log doesn't bear the view out.
pub fn start<F: Fold + 'static>(setup: Setup) -> Result<Running, Error> {
    let folding = Folding::<F>::resume(Arc::clone(&setup.view), &*setup.log, &setup.key, &setup.kept)?;
    setup.progress.publish(folding.standing(WorkerState::CatchingUp));
    let run = move || {
        let ended = run_until_it_ends::<F>(&setup, folding);
        let synced = setup.view.flush_and_sync();
        setup.progress.enter(match ended.and_then(|()| synced.map_err(Failure::from)) {
            Ok(()) => WorkerState::Stopped("the program ends".to_owned()),
            Err(Failure::View(error)) => {
                tracing::error!(projection = F::NAME, %error, "the projection stops");
                WorkerState::Stopped(error.to_string())
            }
            Err(Failure::Record(error)) => {
                tracing::error!(projection = F::NAME, %error, "the projection stops at a record that it can't apply");
                WorkerState::Halted(error.to_string())
            }
        });
    };
    let thread = std::thread::Builder::new().name(F::NAME.to_owned()).spawn(run);
    let thread = thread
        .map_err(|error| Error::unavailable(At::Log, "the system gives no thread to read it").with_source(error))?;
    Ok(Running { thread })
}

/// Runs the projection, and takes it up again from its view, with pauses, when the log gave no answer.
fn run_until_it_ends<F: Fold>(setup: &Setup, folding: Folding<F>) -> Result<(), Failure> {
    let mut pauses = Pauses::default();
    let mut result = Loop { setup, ends: Vec::new() }.run(folding);
    loop {
        match result {
            Err(Failure::View(error)) if is_the_logs(&error) && pauses.wait(&setup.stop, &setup.progress) => {
                tracing::warn!(projection = F::NAME, %error, "the projection goes on from its view");
            }
            other => return other,
        }
        result = Folding::<F>::resume(Arc::clone(&setup.view), &*setup.log, &setup.key, &setup.kept)
            .map_err(Failure::from)
            .and_then(|folding| Loop { setup, ends: Vec::new() }.run(folding));
    }
}

struct Loop<'a> {
    setup: &'a Setup,
    /// The ends as seen at start that are not reached yet.
    ends: Vec<(TopicPartition, u64)>,
}

impl Loop<'_> {
    fn run<F: Fold>(&mut self, mut folding: Folding<F>) -> Result<(), Failure> {
        let log = &*self.setup.log;
        for (partition, _) in folding.positions() {
            self.ends.push((partition, log.end_offset(partition)?));
        }
        let kind = if F::PACE.is_zero() { ReaderKind::Group(F::NAME) } else { ReaderKind::LaggingGroup(F::NAME) };
        let mut reader = log.reader(&folding.positions(), kind)?;
        self.publish(&folding);
        while !self.setup.stop.is_set() {
            let fetched = reader.poll(IDLE)?;
            let begun = Instant::now();
            reader.report(&|| folding.positions());
            if fetched.is_empty() {
                if folding.pass_holes(&|of| reader.position(of)) {
                    self.publish(&folding);
                }
                continue;
            }
            match fold_batch(&mut folding, &fetched, None, &self.setup.key) {
                Ok(()) => {
                    folding.pass_holes(&|of| reader.position(of));
                    folding.commit()?;
                }
                Err((Failure::Record(error), at)) => {
                    self.keep_what_came_before::<F>(&fetched, at)?;
                    return Err(Failure::Record(error));
                }
                Err((failure, _)) => return Err(failure),
            }
            self.publish(&folding);
            let records: usize = fetched.iter().map(|fetched| fetched.records.len()).sum();
            pace::wait(begun, F::PACE.max(log.gathering()), records);
        }
        Ok(())
    }

    /// Applies and commits the records of the batch before the one that can't be applied.
    fn keep_what_came_before<F: Fold>(&self, fetched: &[Fetched], at: usize) -> Result<(), Failure> {
        let Setup { view, log, key, kept, .. } = self.setup;
        let mut folding = Folding::<F>::resume(Arc::clone(view), &**log, key, kept)?;
        fold_batch(&mut folding, fetched, Some(at), key).map_err(|(failure, _)| failure)?;
        folding.commit()?;
        self.setup.progress.publish(folding.standing(WorkerState::CatchingUp));
        Ok(())
    }

    fn publish<F: Fold>(&mut self, folding: &Folding<F>) {
        let mut standing = folding.standing(WorkerState::CatchingUp);
        self.ends.retain(|(partition, end)| !standing.has_applied_below(*partition, *end));
        if self.ends.is_empty() {
            standing.state = WorkerState::Live;
        }
        self.setup.progress.publish(standing);
    }
}

/// Folds the records of a batch, or its first `only`; a failure says at the how many-th record it happened.
fn fold_batch<F: Fold>(
    folding: &mut Folding<F>,
    fetched: &[Fetched],
    only: Option<usize>,
    key: &StreamKey,
) -> Result<(), (Failure, usize)> {
    let records = fetched.iter().flat_map(|fetched| fetched.records.iter().map(|record| (fetched.from, record)));
    for (at, (from, record)) in records.take(only.unwrap_or(usize::MAX)).enumerate() {
        let read = Read::new(from, record.clone(), key);
        folding.take(&read).map_err(|failure| match failure {
            Failure::Record(error) => {
                let said = super::fold::Unappliable(format!("{}: {error}", read.position));
                (Failure::Record(said), at)
            }
            failure @ Failure::View(_) => (failure, at),
        })?;
    }
    Ok(())
}
