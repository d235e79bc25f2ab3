//! Comparing with the live view at one position, and taking its place.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_projections::rebuild::difference::first_differences;
use orderledger_projections::rebuild::pass::{Ends, Pass};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_projections::worker::rest::Rest;
use orderledger_store::{At, Error, faults, go_last};

use super::acceptance::note;
use super::building::{ends_of_live, is_comparable, taken_up};
use super::following::catch_up;
use super::job::{Asked, DIFFERENCES_NAMED, Phase};
use super::live::One;
use crate::ledger::view_handle::Seat;
use crate::ledger::{Generation, Ledger};

/// How long the live projection may take to finish its batch, each time.
const REST_WITHIN: Duration = Duration::from_secs(5);
/// How often the live projection may be busy, or turn out to be behind on operators' decisions, before it is given up.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

type Folding = Box<dyn AnyFolding>;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is the live generation now.
    Live,
    /// It differs from the live one, which stays.
    Different,
    /// It was called off.
    Canceled,
}

/// Goes back to the generation before.
pub(super) fn roll_back(ledger: &Arc<Ledger>, one: &One) -> Result<Ended, Failure> {
    let path = one.handle.seat().generations.path(one.job.generation);
    let folding = taken_up(ledger, one, &path)?;
    replace(ledger, one, folding)
}

/// Puts a folding, on a view of its own, in the place of the live one.
pub(super) fn replace(ledger: &Arc<Ledger>, one: &One, folding: Folding) -> Result<Ended, Failure> {
    let view = Arc::clone(folding.view());
    let ended = try_replace(ledger, one, folding);
    if !matches!(ended, Ok(Ended::Live)) {
        // Closed, so that its directory may go: not by one that goes last.
        view.lag(false);
        go_last(false);
        let _ = view.close();
    }
    ended
}

fn try_replace(ledger: &Arc<Ledger>, one: &One, folding: Folding) -> Result<Ended, Failure> {
    let mut foldings = vec![folding];
    let mut pass = Pass::begin(&*ledger.log, &ledger.key, &mut foldings)?;
    if !catch_up(ledger, one, &mut pass, &mut foldings)? {
        return Ok(Ended::Canceled);
    }
    one.job.enter(Phase::Comparing);
    // The live view rests until all is compared: whoever it then waits for comes back before, and what can be written is.
    go_last(false);
    if let Some(folding) = foldings.first() {
        folding.view().flush_and_sync()?;
    }
    let mut is_noted = false;
    for _ in 0..TRIES {
        if is_called_off(ledger, one) {
            return Ok(Ended::Canceled);
        }
        if let Some(ended) = compare_and_swap(ledger, one, &mut pass, &mut foldings, &mut is_noted)? {
            return Ok(ended);
        }
        one.job.sleep(PAUSE);
    }
    Err(Error::unavailable(At::Log, "the live projection doesn't come to where the new one is").into())
}

pub(super) fn is_called_off(ledger: &Ledger, one: &One) -> bool {
    one.job.is_canceled() || ledger.conditions.stop.is_set()
}

/// The live projection at rest: it goes on when this is dropped, unless it was relieved.
struct Rested<'a> {
    seat: MutexGuard<'a, Seat>,
    resting: Resting,
    live: Arc<Generation>,
    since: Instant,
}

impl<'a> Rested<'a> {
    /// Lets it finish its batch and rest; none if it takes too long.
    fn of(one: &'a One) -> Result<Option<Rested<'a>>, Error> {
        let seat = one.handle.seat();
        if !seat.rest.ask(REST_WITHIN) {
            return Ok(None);
        }
        let resting = Resting(Some(seat.rest.clone()));
        let live = one.handle.live.load_full();
        match live.view.failure() {
            // It still answers, from rows whose digest is of before.
            Some(error @ Error::Unavailable { .. }) => Err(error),
            _ => Ok(Some(Rested { seat, resting, live, since: Instant::now() })),
        }
    }

    /// Whether a folding knows decisions that it has not heard. One that has ended never hears them.
    fn is_behind(&self, folding: &Folding, at: &Ends) -> bool {
        let hears = !self.seat.rest.has_ended();
        folding
            .positions()
            .iter()
            .any(|(of, offset)| (hears || of.topic != Topic::DeadLetters) && at.get(of).is_none_or(|end| end < offset))
    }
}

/// Lets the live projection rest, folds exactly up to where it rests, compares, and takes its place. None if that has to be done
/// once more: it doesn't end its batch, or is behind on operators' decisions, or a difference was just noted as accepted.
fn compare_and_swap(
    ledger: &Arc<Ledger>,
    one: &One,
    pass: &mut Pass,
    foldings: &mut Vec<Folding>,
    is_noted: &mut bool,
) -> Result<Option<Ended>, Failure> {
    let Some(rested) = Rested::of(one)? else { return Ok(None) };
    let Some(folding) = foldings.first() else { return Ok(Some(Ended::Canceled)) };
    let is_comparable = is_comparable(&one.handle, &rested.live);
    let at = ends_of_live(ledger, &one.handle, folding)?;
    if is_comparable && rested.is_behind(folding, &at) {
        return Ok(None);
    }
    let view = Arc::clone(folding.view());
    loop {
        let is_there = pass.step(foldings, &at)?;
        // Where the program ends nobody may judge: the live one may have gone on.
        if is_called_off(ledger, one) {
            return Ok(Some(Ended::Canceled));
        }
        if is_there {
            break;
        }
    }
    view.flush_and_sync()?;
    let is = view.digest()?.digest;
    let was = if is_comparable { Some(rested.live.view.digest()?.digest) } else { None };
    one.job.compared(was.map(|was| was.sum), is.sum);
    if let (Some(was), Asked::Rebuild(acceptance)) = (was.filter(|was| *was != is), &one.job.asked)
        && !*is_noted
    {
        let readers = (rested.live.view.reader()?, view.reader()?);
        // It goes on meanwhile.
        drop(rested);
        one.job.differs_at(&first_differences(&readers.0, &readers.1, DIFFERENCES_NAMED)?);
        let Some(acceptance) = acceptance else { return Ok(Some(Ended::Different)) };
        note(&*ledger.appender, one.handle.name, one.job.generation, (was.sum, is.sum), acceptance)?;
        *is_noted = true;
        return Ok(None);
    }
    let Some(folding) = foldings.pop() else { return Ok(Some(Ended::Canceled)) };
    swap(ledger, one, rested, folding, is_comparable)?;
    Ok(Some(Ended::Live))
}

/// Puts the folding's view in the place of the live one, for good, and goes on from there.
fn swap(ledger: &Ledger, one: &One, rested: Rested<'_>, folding: Folding, is_comparable: bool) -> Result<(), Failure> {
    let Rested { mut seat, resting, live, since } = rested;
    seat.generations.promote(one.job.generation)?;
    faults::point("generation.before-swap");
    let (view, progress) = (Arc::clone(folding.view()), live.progress.clone());
    let is_live = is_comparable && progress.standing().state == WorkerState::Live;
    let rest = Rest::default();
    let setup = ledger.conditions.setup(&view, &seat.generations.current_path(), &progress, &rest, is_live);
    one.handle.live.store(Arc::new(Generation { number: one.job.generation, view, progress }));
    one.handle.is_incomplete.store(false, Ordering::Release);
    faults::point("generation.after-swap");
    resting.relieve();
    seat.rest = rest;
    let before = seat.running.take();
    seat.running = Some(folding.start(setup)?);
    one.job.rested(since);
    if let Some(before) = before {
        before.join();
    }
    if let Err(error) = live.view.close() {
        tracing::debug!(projection = one.handle.name, %error, "the generation before was not closed cleanly");
    }
    Ok(())
}

/// Lets a projection go on when this is dropped, unless it was relieved.
struct Resting(Option<Rest>);

impl Resting {
    fn relieve(mut self) {
        if let Some(rest) = self.0.take() {
            rest.relieve();
        }
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        if let Some(rest) = &self.0 {
            rest.go_on();
        }
    }
}
