//! Following the log up to where the live view is: in moderation, and in a hurry only where it would never get there otherwise.

use std::sync::Arc;
use std::time::Instant;

use orderledger_projections::rebuild::pass::{Ends, Pass};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_store::{Error, going_last};

use super::building::{ends_of_live, is_one_awaited};
use super::job::{Asked, Phase};
use super::live::One;
use super::polite::politely;
use super::replacing::is_called_off;
use super::room::check_room;
use crate::ledger::Ledger;

/// Who has no more records than these before it has caught up, as far as one can that doesn't hold the other up.
pub(super) const NEAR: u64 = 2_000;
/// A live view that has more than these before it is catching up itself, and no slower for it.
const LIVE_IS_NEAR: u64 = 100_000;

type Folding = Box<dyn AnyFolding>;

/// What became of following the live view to where it was.
enum Round {
    /// So many records were folded; it has gone on meanwhile.
    Folded(u64),
    /// Somebody waits for a view that is being made.
    Awaited,
    CalledOff,
}

/// Follows the live view until it is near; false if it was called off. In moderation as long as nobody waits for it: not for a rollback, which somebody has reasons for.
pub(super) fn catch_up(
    ledger: &Ledger,
    one: &One,
    pass: &mut Pass<'_>,
    foldings: &mut [Folding],
) -> Result<bool, Failure> {
    let Some(view) = foldings.first().map(|folding| Arc::clone(folding.view())) else { return Ok(false) };
    one.job.enter(Phase::CatchingUp);
    let before = one.job.state().records;
    let mut folded_last = u64::MAX;
    loop {
        if is_one_awaited(ledger) || one.job.asked == Asked::Rollback {
            one.job.hurry();
        }
        let hurries = one.job.hurries();
        view.lag(!hurries || one.handle.kind.may_lag);
        let Some(folding) = foldings.first() else { return Ok(false) };
        let ends = ends_of_live(ledger, &one.handle, folding)?;
        let live_left = left_of_the_log(ledger, &ends)?;
        let mut follow = || follow(ledger, one, (pass, before, &ends), foldings, hurries);
        let folded = match if hurries { follow() } else { politely(follow) }? {
            Round::CalledOff => return Ok(false),
            Round::Awaited => continue,
            Round::Folded(folded) => folded,
        };
        if folded <= NEAR {
            view.lag(one.handle.kind.may_lag);
            return Ok(true);
        }
        if must_hurry(folded, folded_last, live_left) {
            one.job.hurry();
        }
        folded_last = folded;
    }
}

/// Whether it would never get there otherwise: a round had more than half of the records of the one before, though the live view goes as slowly as the log.
const fn must_hurry(folded: u64, folded_last: u64, live_left: u64) -> bool {
    live_left <= LIVE_IS_NEAR && folded > folded_last / 2
}

/// Offsets from there to the log's end.
fn left_of_the_log(ledger: &Ledger, from: &Ends) -> Result<u64, Error> {
    let left = from.iter().map(|(of, at)| Ok(ledger.log.known_end(*of)?.saturating_sub(*at)));
    left.sum()
}

/// Folds up to these ends, where the live view was.
fn follow(
    ledger: &Ledger,
    one: &One,
    (pass, before, ends): (&mut Pass<'_>, u64, &Ends),
    foldings: &mut [Folding],
    hurries: bool,
) -> Result<Round, Failure> {
    let from = pass.passed().records;
    // Known before the first step, which may take long where others want the cores.
    one.job.passed(before, pass.passed_before(ends));
    loop {
        if is_called_off(ledger, one) {
            return Ok(Round::CalledOff);
        }
        if !hurries && is_one_awaited(ledger) {
            return Ok(Round::Awaited);
        }
        check_room(one.handle.seat().generations.dir(), 0)?;
        let begun = Instant::now();
        // The live rows answer meanwhile.
        let is_there = going_last(!hurries, || pass.step(foldings, ends))?;
        one.job.passed(before, pass.passed());
        if is_there {
            return Ok(Round::Folded(pass.passed().records.saturating_sub(from)));
        }
        if !hurries {
            one.job.sleep(ledger.pause_after(begun.elapsed(), one));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hurries_where_rounds_grow_hardly_shorter_and_the_live_view_is_near_the_logs_end() {
        for (folded, folded_last, live_left, expected, why) in [
            (9_000_000, u64::MAX, 0, false, "the first round"),
            (4_500_000, 9_000_000, 0, false, "half"),
            (4_500_001, 9_000_000, 0, true, "more than half"),
            (4_500_001, 9_000_000, LIVE_IS_NEAR, true, "the live view is near the log's end"),
            (9_000_000, 9_000_000, LIVE_IS_NEAR + 1, false, "it is catching up itself"),
        ] {
            assert_eq!(must_hurry(folded, folded_last, live_left), expected, "{why}");
        }
    }
}
