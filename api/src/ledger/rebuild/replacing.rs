//! Catching up with the live view, comparing with it at one position, and taking its place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::rebuild::difference::first_differences;
use orderledger_projections::rebuild::pass::Pass;
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_projections::worker::rest::Rest;
use orderledger_store::{At, Error, faults};

use super::acceptance::note;
use super::building::{ends_of_live, is_comparable, taken_up};
use super::job::{Asked, DIFFERENCES_NAMED, Phase};
use super::live::One;
use crate::ledger::{Generation, Ledger};

/// A round that folded no more records than this has caught up, as far as one can that doesn't hold the other up.
const NEAR: u64 = 2_000;
/// From this round on catching up takes all the time there is: it would never end otherwise.
const ROUNDS_IN_MODERATION: u32 = 3;
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
        // Closed, so that its directory may go.
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

/// Follows the live view until it is near; false if it was called off.
fn catch_up(ledger: &Ledger, one: &One, pass: &mut Pass, foldings: &mut [Folding]) -> Result<bool, Failure> {
    let Some(folding) = foldings.first() else { return Ok(false) };
    let mut ends = ends_of_live(ledger, &one.handle, folding)?;
    one.job.enter(Phase::CatchingUp);
    let before = one.job.state().records;
    for round in 0_u32.. {
        let from = pass.passed().records;
        loop {
            if is_called_off(ledger, one) {
                return Ok(false);
            }
            let begun = Instant::now();
            let is_there = pass.step(foldings, &ends)?;
            one.job.passed(before, pass.passed());
            if is_there {
                break;
            }
            if round < ROUNDS_IN_MODERATION {
                one.job.sleep(ledger.pause_after(begun.elapsed(), one));
            }
        }
        if pass.passed().records.saturating_sub(from) <= NEAR {
            break;
        }
        let Some(folding) = foldings.first() else { break };
        ends = ends_of_live(ledger, &one.handle, folding)?;
    }
    Ok(true)
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
    let mut seat = one.handle.seat();
    if !seat.rest.ask(REST_WITHIN) {
        return Ok(None);
    }
    let (resting, begun) = (Resting(seat.rest.clone()), Instant::now());
    let live = one.handle.live.load_full();
    if let Some(error @ Error::Unavailable { .. }) = live.view.failure() {
        // It still answers, from rows whose digest is of before.
        return Err(error.into());
    }
    let is_comparable = is_comparable(&one.handle, &live);
    let Some(folding) = foldings.first() else { return Ok(Some(Ended::Canceled)) };
    let at = ends_of_live(ledger, &one.handle, folding)?;
    // One that has ended never hears what was decided since.
    let hears = !seat.rest.has_ended();
    let is_beyond = |(of, offset): &(TopicPartition, u64)| {
        (hears || of.topic != Topic::DeadLetters) && at.get(of).is_none_or(|end| end < offset)
    };
    if is_comparable && folding.positions().iter().any(is_beyond) {
        return Ok(None);
    }
    let view = Arc::clone(folding.view());
    while !pass.step(foldings, &at)? {
        if is_called_off(ledger, one) {
            return Ok(Some(Ended::Canceled));
        }
    }
    view.flush_and_sync()?;
    if is_called_off(ledger, one) {
        return Ok(Some(Ended::Canceled));
    }
    if is_comparable {
        let (was, is) = (live.view.digest()?.digest, view.digest()?.digest);
        one.job.compared(Some(was.sum), is.sum);
        if was != is
            && !*is_noted
            && let Asked::Rebuild(acceptance) = &one.job.asked
        {
            let readers = (live.view.reader()?, view.reader()?);
            // It goes on meanwhile.
            drop((resting, seat));
            one.job.differs_at(&first_differences(&readers.0, &readers.1, DIFFERENCES_NAMED)?);
            let Some(acceptance) = acceptance else { return Ok(Some(Ended::Different)) };
            let digests = (was.sum, is.sum);
            note(&*ledger.appender, one.handle.name, one.job.generation, digests, acceptance)?;
            *is_noted = true;
            return Ok(None);
        }
    } else {
        one.job.compared(None, view.digest()?.digest.sum);
    }
    seat.generations.promote(one.job.generation)?;
    faults::point("generation.before-swap");
    let progress = live.progress.clone();
    let is_live = is_comparable && progress.standing().state == WorkerState::Live;
    let rest = Rest::default();
    let setup = ledger.conditions.setup(&view, &seat.generations.current_path(), &progress, &rest, is_live);
    one.handle.live.store(Arc::new(Generation { number: one.job.generation, view, progress }));
    one.handle.is_incomplete.store(false, Ordering::Release);
    faults::point("generation.after-swap");
    resting.0.relieve();
    let before = seat.running.take();
    seat.rest = rest;
    let Some(folding) = foldings.pop() else { return Ok(Some(Ended::Canceled)) };
    seat.running = Some(folding.start(setup)?);
    one.job.rested(begun);
    if let Some(before) = before {
        before.join();
    }
    if let Err(error) = live.view.close() {
        tracing::debug!(projection = one.handle.name, %error, "the generation before was not closed cleanly");
    }
    Ok(Some(Ended::Live))
}

/// A live projection that rests; it goes on when this is dropped, unless it was relieved.
struct Resting(Rest);

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.go_on();
    }
}
