//! The loop of a projection: read, fold, commit, publish.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Fetched, Reader, ReaderKind};
use orderledger_store::views::View;
use orderledger_store::{At, Error, Urgency, breathe, going_last, may_lag};

use super::clock::Clock;
use super::courtesy::Courtesy;
use super::fold::{Failure, Fold};
use super::folding::Folding;
use super::pace;
use super::pauses::{Pauses, is_worth_another};
use super::progress::{Progress, WorkerState};
use super::read::Read;
use super::rest::Rest;
use super::stop::Stop;
use super::trace;
use crate::parking::breaker::Limits;
use crate::parking::notices::Notices;

/// About so many records are read, for those among them that wait and are to be applied, between two looks at what came.
const RELEASED_AT_ONCE: usize = 1000;
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
    /// When too much is parked.
    pub limits: Limits,
    /// Says when to end.
    pub stop: Stop,
    /// Says when another attempt is due.
    pub clock: Clock,
    /// Says when to rest, and whether another one goes on in its place.
    pub rest: Rest,
    /// Says when those that go first are behind, to a projection that yields.
    pub courtesy: Courtesy,
    /// What the thread of one that yields does first: it makes itself nice, say.
    pub be_polite: fn(),
    /// Whether the projection was live already, in the view that this one replaces.
    pub is_live: bool,
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
    let folding = resume::<F>(&setup)?;
    start_with(setup, folding)
}

/// Starts a projection that was taken up already, on the same view.
pub(super) fn start_with<F: Fold + 'static>(setup: Setup, folding: Folding<F>) -> Result<Running, Error> {
    let first = if setup.is_live { WorkerState::Live } else { WorkerState::CatchingUp };
    setup.progress.publish(folding.standing(first));
    let run = move || {
        // Also where it ends in a panic.
        let _ends = EndsRest(setup.rest.clone());
        if !F::IS_WAITED_FOR {
            may_lag();
        }
        if F::YIELDS {
            (setup.be_polite)();
        }
        let ended = run_until_it_ends::<F>(&setup, folding);
        let synced = setup.view.flush_and_sync();
        if !setup.rest.end() {
            setup.progress.enter(end_state::<F>(ended.and_then(|()| synced.map_err(Failure::from))));
        }
    };
    let thread = std::thread::Builder::new().name(F::NAME.to_owned()).spawn(run);
    let thread = thread
        .map_err(|error| Error::unavailable(At::Log, "the system gives no thread to read it").with_source(error))?;
    Ok(Running { thread })
}

/// Nobody waits for a thread that has ended.
struct EndsRest(Rest);

impl Drop for EndsRest {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs the projection, and takes it up again from its view where that can help.
fn run_until_it_ends<F: Fold>(setup: &Setup, folding: Folding<F>) -> Result<(), Failure> {
    let mut pauses = Pauses::new(&setup.clock);
    let (mut folding, mut is_live) = (Ok(folding), setup.is_live);
    loop {
        let ended = folding.and_then(|folding| run_until_failure(setup, Attempt::begin(setup, folding, is_live)?));
        is_live = false;
        let Err(failure) = ended else { return Ok(()) };
        let Some(pause) = again::<F>(&failure, &mut pauses, setup) else { return Err(failure) };
        setup.rest.sleep(&setup.stop, pause);
        if setup.stop.is_set() {
            return Err(failure);
        }
        folding = resume(setup).map_err(Failure::from);
    }
}

fn run_until_failure<F: Fold>(setup: &Setup, mut attempt: Attempt<F>) -> Result<(), Failure> {
    let (mut urgency, mut goes_last) = (Urgency::default(), false);
    while !setup.stop.is_set() {
        // One that applies what waits goes on until it has: its rows are those of no position before.
        if setup.rest.is_asked() && !attempt.is_busy() {
            setup.view.flush_and_sync()?;
            if setup.rest.rest(|| setup.stop.is_set()) || setup.stop.is_set() {
                return Ok(());
            }
        }
        if F::YIELDS {
            setup.courtesy.give_way(|pause| {
                setup.rest.sleep(&setup.stop, pause);
                setup.stop.is_set() || setup.rest.is_asked()
            });
        }
        let timeout = if attempt.is_busy() { Duration::ZERO } else { IDLE };
        let fetched = going_last(goes_last, || attempt.reader.poll(timeout))?;
        let begun = Instant::now();
        let records: usize = fetched.iter().map(|fetched| fetched.records.len()).sum();
        urgency.be(F::IS_WAITED_FOR && pace::is_live(records));
        // What keeps up is soon done.
        goes_last = !F::IS_WAITED_FOR && !pace::is_live(records);
        attempt.turn(setup, &fetched, goes_last)?;
        if records > 0 {
            pace::wait(begun, F::PACE.max(setup.log.gathering()), records);
        }
    }
    Ok(())
}

/// Takes the projection up where its view stands. Refuses where the log doesn't bear the view out.
pub(super) fn resume<F: Fold>(setup: &Setup) -> Result<Folding<F>, Error> {
    Folding::resume(Arc::clone(&setup.view), &*setup.log, &setup.key, &setup.kept)
}

/// The pause after which the projection goes on from its view, if that can help: the log or the view gave no answer, and the
/// view has not failed for good, on a full disk say.
pub(super) fn again<F: Fold>(failure: &Failure, pauses: &mut Pauses, setup: &Setup) -> Option<Duration> {
    let Failure::View(error) = failure else { return None };
    let can_help = is_worth_another(error) && setup.view.failure().is_none();
    let pause = if can_help { pauses.next(&setup.progress) } else { None }?;
    tracing::warn!(projection = F::NAME, %error, "the projection goes on from its view");
    Some(pause)
}

/// What a projection that ended so says of itself.
pub(super) fn end_state<F: Fold>(ended: Result<(), Failure>) -> WorkerState {
    match ended {
        Ok(()) => WorkerState::Stopped("the program ends".to_owned()),
        Err(Failure::View(error)) => {
            tracing::error!(projection = F::NAME, %error, "the projection stops");
            WorkerState::Stopped(error.to_string())
        }
        Err(failure @ (Failure::Record(_) | Failure::Halt(_))) => {
            tracing::error!(projection = F::NAME, "the projection halts: {failure}");
            WorkerState::Halted(failure.to_string())
        }
    }
}

/// One attempt, from the view as it stands to the next failure.
pub(super) struct Attempt<F> {
    folding: Folding<F>,
    /// What it reads the log with.
    pub(super) reader: Box<dyn Reader>,
    /// The ends as seen at start that are not reached yet.
    ends: Vec<(TopicPartition, u64)>,
    notices: Notices,
}

impl<F: Fold> Attempt<F> {
    /// Begins where the folding stands: with what operators have decided meanwhile. One that is live already has no end to
    /// reach first.
    pub(super) fn begin(setup: &Setup, mut folding: Folding<F>, is_live: bool) -> Result<Attempt<F>, Failure> {
        let log = &*setup.log;
        let mut ends = Vec::new();
        for (partition, _) in folding.positions() {
            if !is_live {
                ends.push((partition, log.end_offset(partition)?));
            }
        }
        folding.limit(setup.limits);
        if folding.read_decisions(log, &setup.key)? {
            folding.commit()?;
        }
        let kind = if F::PACE.is_zero() { ReaderKind::Group(F::NAME) } else { ReaderKind::LaggingGroup(F::NAME) };
        let reader = log.reader(&folding.positions(), kind)?;
        let notices = Notices::new(Arc::clone(&setup.log), F::NAME, setup.clock.clone());
        let mut attempt = Attempt { folding, reader, ends, notices };
        attempt.publish(setup);
        Ok(attempt)
    }

    /// Whether there is something to do, whatever the reader gives.
    fn is_busy(&self) -> bool {
        self.folding.is_releasing()
    }

    /// Folds what the reader gave and some of what waits and is to be applied, commits and publishes it.
    pub(super) fn turn(&mut self, setup: &Setup, fetched: &[Fetched], goes_last: bool) -> Result<(), Failure> {
        let Attempt { folding, reader, notices, .. } = self;
        reader.report(&|| folding.positions());
        going_last(goes_last, || {
            for Fetched { from, records } in fetched {
                for record in records {
                    breathe();
                    let read = Read::new(*from, record.clone(), &setup.key);
                    let span = trace::taking(&read, F::NAME);
                    span.in_scope(|| folding.take(&read))?;
                    trace::taken(&span);
                }
            }
            Ok::<(), Failure>(())
        })?;
        let is_changed = !fetched.is_empty() || folding.is_releasing();
        folding.release(&*setup.log, &setup.key, RELEASED_AT_ONCE)?;
        let has_passed_holes = folding.pass_holes(&|of| reader.position(of));
        let has_moved = is_changed || has_passed_holes;
        if has_moved {
            going_last(goes_last, || folding.commit())?;
        }
        notices.tell(&folding.parking);
        if has_moved {
            self.publish(setup);
        }
        Ok(())
    }

    fn publish(&mut self, setup: &Setup) {
        let mut standing = self.folding.standing(WorkerState::CatchingUp);
        self.ends.retain(|(partition, end)| !standing.has_applied_below(*partition, *end));
        if self.ends.is_empty() {
            standing.state = WorkerState::Live;
        }
        setup.progress.publish(standing);
    }
}
