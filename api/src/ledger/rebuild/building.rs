//! From offset zero into a fresh directory, beside the live view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_projections::rebuild::pass::{Ends, Pass, Passed};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_store::{At, Error, going_last};

use super::ends::{leave, left as left_from, raise_to_the_lowest};
use super::job::Phase;
use super::live::One;
use super::memory::budget;
use super::polite::politely;
use super::replacing::{Ended, is_called_off, replace};
use super::room::check_room;
use crate::ledger::{Generation, Ledger, ViewHandle};

/// After how many rows it is looked whether to go on.
const ROWS_AT_ONCE: u64 = 4096;

type Folding = Box<dyn AnyFolding>;

/// Builds them in one pass over the log; then each takes its place on its own, those first whose live views nobody can read.
pub(super) fn build(ledger: &Arc<Ledger>, ones: Vec<One>) {
    let mut pairs: Vec<(One, Folding)> = Vec::new();
    let folded = fresh(ledger, &ones).and_then(|foldings| {
        pairs = ones.iter().cloned().zip(foldings).collect();
        politely(|| fold(ledger, &mut pairs))
    });
    if let Err(failure) = folded {
        // Those that were there by then go on.
        let is_there = |one: &&One| pairs.iter().any(|(there, _)| Arc::ptr_eq(&there.job, &one.job));
        let ended = ones.iter().filter(|one| one.job.runs() && !is_there(one));
        ended.for_each(|one| one.end(Err(failure.clone())));
    }
    pairs.sort_by_key(|(one, _)| is_comparable(&one.handle, &one.handle.live.load()));
    for (one, folding) in pairs {
        let replaced = write(ledger, &one, folding).and_then(|folding| replace(ledger, &one, folding));
        one.end(if is_called_off(ledger, &one) && replaced.is_err() { Ok(Ended::Canceled) } else { replaced });
    }
}

fn fresh(ledger: &Ledger, ones: &[One]) -> Result<Vec<Folding>, Failure> {
    // These run by now, and others may.
    let running = ledger.views().iter().filter(|handle| handle.job().is_some_and(|job| job.runs())).count();
    let budget = budget(ledger.memory_limit, running.max(ones.len()));
    let fresh = |one: &One| {
        let dir = one.handle.seat().generations.dir().to_owned();
        Ok(one.handle.kind.fresh(&*ledger.log, &ledger.key, (&dir, budget))?)
    };
    ones.iter().map(fresh).collect()
}

/// One that folds, and where its live view was when it began.
struct Bound {
    one: One,
    end: Ends,
}

/// Folds in one pass, each up to where its live view was: those whose live view is far behind leave on the way, and the others go on. Whose place is nearest to the log's end
/// comes first; those that are called off leave. Where it fails, those that were there by then are left.
fn fold(ledger: &Ledger, pairs: &mut Vec<(One, Folding)>) -> Result<(), Failure> {
    let (ones, mut foldings): (Vec<One>, Vec<Folding>) = pairs.drain(..).unzip();
    let mut pass = Pass::begin(&*ledger.log, &ledger.key, &mut foldings)?;
    let bound = |(one, folding): (One, &Folding)| {
        let end = ends_of_live(ledger, &one.handle, folding)?;
        Ok(Bound { one, end })
    };
    let bounds: Result<Vec<Bound>, Error> = ones.into_iter().zip(&foldings).map(bound).collect();
    let mut bounds = bounds?;
    let mut ends = Ends::new();
    loop {
        end_what_is_called_off(ledger, &mut bounds, &mut foldings);
        pairs.retain(|(one, _)| !ends_called_off(ledger, one));
        if bounds.is_empty() {
            return Ok(());
        }
        raise_to_the_lowest(&mut ends, bounds.iter().map(|bound| &bound.end));
        let goes_last = !is_one_awaited(ledger);
        if fold_for_a_while(ledger, (&mut pass, &ends), &bounds, &mut foldings, goes_last)? {
            let mut there = take_out(&ends, &mut bounds, &mut foldings);
            // Nothing is left for them while the others go on.
            there.iter().for_each(|(one, _)| one.job.passed(0, Passed { left: 0, ..pass.passed() }));
            there.append(pairs);
            *pairs = there;
        }
    }
}

fn end_what_is_called_off(ledger: &Ledger, bounds: &mut Vec<Bound>, foldings: &mut Vec<Folding>) {
    let mut at = 0;
    while let Some(Bound { one, .. }) = bounds.get(at) {
        if ends_called_off(ledger, one) {
            bounds.remove(at);
            foldings.remove(at);
        } else {
            at += 1;
        }
    }
}

/// One step; true once all of them are at these ends.
fn fold_for_a_while(
    ledger: &Ledger,
    (pass, ends): (&mut Pass<'_>, &Ends),
    bounds: &[Bound],
    foldings: &mut [Folding],
    goes_last: bool,
) -> Result<bool, Failure> {
    let Some(Bound { one, .. }) = bounds.first() else { return Ok(true) };
    check_room(one.handle.seat().generations.dir(), 0)?;
    let begun = Instant::now();
    let is_there = going_last(goes_last, || pass.step(foldings, ends))?;
    for Bound { one, end } in bounds {
        let Passed { records, left } = pass.passed();
        one.job.passed(0, Passed { records, left: left.saturating_add(left_from(ends, end)) });
    }
    // Also after the last one: what comes next works on.
    one.job.sleep(ledger.pause_after(begun.elapsed(), one));
    Ok(is_there)
}

/// Whether it was called off, and has ended for that.
fn ends_called_off(ledger: &Ledger, one: &One) -> bool {
    let is_called_off = is_called_off(ledger, one);
    if is_called_off {
        one.end(Ok(Ended::Canceled));
    }
    is_called_off
}

/// Takes out those that go no further.
fn take_out(ends: &Ends, bounds: &mut Vec<Bound>, foldings: &mut Vec<Folding>) -> Vec<(One, Folding)> {
    let leave = leave(ends, bounds.iter().map(|bound| &bound.end));
    let all = std::mem::take(bounds).into_iter().zip(std::mem::take(foldings));
    let mut there = Vec::new();
    for ((bound, folding), leaves) in all.zip(leave) {
        if leaves {
            there.push((bound.one, folding));
        } else {
            bounds.push(bound);
            foldings.push(folding);
        }
    }
    there
}

/// Where the live view is; the ends of the log if it can't be read.
pub(super) fn ends_of_live(ledger: &Ledger, handle: &ViewHandle, folding: &Folding) -> Result<Ends, Error> {
    let live = handle.live.load();
    if is_comparable(handle, &live) {
        let standing = live.progress.standing();
        return Ok(standing.partitions.iter().map(|(of, at)| (*of, at.next_offset)).collect());
    }
    let topics = Topic::ALL.into_iter().filter(|topic| folding.reads(*topic));
    topics.flat_map(|topic| ledger.all_of(topic)).map(|of| Ok((of, ledger.log.end_offset(of)?))).collect()
}

/// Whether the live view has rows to compare with: those of another schema version are others.
pub(super) fn is_comparable(handle: &ViewHandle, live: &Generation) -> bool {
    live.view.failure().is_none() && !live.view.is_older() && !handle.is_rebuilding()
}

/// Whether somebody waits for a view that is being made, for nobody can read the live one.
pub(super) fn is_one_awaited(ledger: &Ledger) -> bool {
    let is_made = |handle: &ViewHandle| handle.job().is_some_and(|job| job.runs());
    let is_awaited = |handle: &ViewHandle| is_made(handle) && !is_comparable(handle, &handle.live.load());
    ledger.views().into_iter().any(|handle| is_awaited(handle))
}

/// Writes the rows in key order, and takes the folding up on what was written.
fn write(ledger: &Ledger, one: &One, folding: Folding) -> Result<Folding, Failure> {
    one.job.enter(Phase::Writing);
    let path = one.handle.seat().generations.path(one.job.generation);
    let mut begun = Instant::now();
    let mut look = |rows: u64| {
        if rows.is_multiple_of(ROWS_AT_ONCE) {
            one.job.wrote(rows);
            one.job.sleep(ledger.pause_after(begun.elapsed(), one));
            begun = Instant::now();
            if is_called_off(ledger, one) {
                return Err(Error::closed(At::Log, "the rebuild was called off"));
            }
        }
        Ok(())
    };
    let rows = politely(|| {
        // It goes here: freeing all of it takes a while, too.
        let folding = folding;
        one.handle.kind.write(&path, &*folding, &mut look)
    })?;
    one.job.wrote(rows);
    taken_up(ledger, one, &path)
}

/// The folding on the view in that directory.
pub(super) fn taken_up(ledger: &Ledger, one: &One, path: &std::path::Path) -> Result<Folding, Failure> {
    let kind = &one.handle.kind;
    let view = kind.open_other(path)?;
    if view.quarantined().is_some() {
        // A fresh one is no generation to go back to.
        view.close()?;
        drop(view);
        one.handle.seat().generations.forget(one.job.generation)?;
        return Err(Error::corrupt(path, "the generation can't be read; it is removed").into());
    }
    Ok((kind.resume)(Arc::new(view), &*ledger.log, &ledger.key, &path.display().to_string())?)
}

impl Ledger {
    /// How long a rebuild pauses after it worked so long, to leave the live workers their part. One whose view nobody can
    /// read, or only as it was, has no time for that.
    pub(super) fn pause_after(&self, worked: Duration, one: &One) -> Duration {
        let share = if is_comparable(&one.handle, &one.handle.live.load()) { self.rebuild_share } else { 100 };
        self.pause_of_share(worked, share)
    }

    /// How long to pause after such work that is to take that share of the time, in percent.
    pub(super) fn pause_of_share(&self, worked: Duration, share: u32) -> Duration {
        let share = share.clamp(1, 100);
        worked.saturating_mul(100_u32.saturating_sub(share)) / share
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::following::NEAR;
    use super::super::job::{Asked, Job};
    use super::super::live::begin;
    use super::*;
    use crate::ledger::at_rest::{until, with_one_at_rest};

    /// Where its live view is.
    fn live(handle: &ViewHandle) -> Ends {
        let standing = handle.live.load().progress.standing();
        standing.partitions.iter().map(|(of, at)| (*of, at.next_offset)).collect()
    }

    /// Runs it where audit rests before many records that settlement has passed.
    fn with_audit_behind(test: impl FnOnce(&Arc<Ledger>)) {
        with_one_at_rest(
            |ledger| &ledger.audit,
            3 * NEAR,
            |ledger, _| {
                // Each is no event: it, what intake answers, and its dead letter.
                let passed = || live(&ledger.settlement).into_values().sum::<u64>();
                until("settlement has passed them and what comes of them", || passed() >= 3 * 3 * NEAR);
                assert_eq!(passed(), 3 * 3 * NEAR, "nothing more comes");
                assert!(left_from(&live(&ledger.audit), &live(&ledger.settlement)) > NEAR, "audit rests before them");
                test(ledger);
            },
        );
    }

    #[test]
    fn in_one_pass_each_is_folded_up_to_where_its_live_view_is() {
        with_audit_behind(|ledger| {
            let one = |handle: &Arc<ViewHandle>| One {
                handle: Arc::clone(handle),
                job: Arc::new(Job::new(2, Asked::Rebuild(None))),
            };
            let ones = vec![one(&ledger.audit), one(&ledger.settlement)];
            let foldings = fresh(ledger, &ones).unwrap();
            let mut pairs = ones.into_iter().zip(foldings).collect();
            fold(ledger, &mut pairs).unwrap();
            let names: Vec<&str> = pairs.iter().map(|(one, _)| one.handle.name).collect();
            assert_eq!(names, ["settlement", "audit"], "whose place is nearest to the log's end comes first");
            for (one, folding) in &pairs {
                let is: Ends = folding.positions().into_iter().collect();
                assert_eq!(left_from(&is, &live(&one.handle)), 0, "{}", one.handle.name);
                assert_eq!(left_from(&live(&one.handle), &is), 0, "{} is not past it", one.handle.name);
                assert_eq!(one.job.state().left, 0);
            }
        });
    }

    #[test]
    fn each_of_one_pass_is_compared_where_its_live_view_is() {
        with_audit_behind(|ledger| {
            let both = [&ledger.audit, &ledger.settlement];
            let (jobs, _) = begin(ledger, &both, &Asked::Rebuild(None), None).map_err(drop).unwrap();
            until("both are live", || jobs.iter().all(|job| !job.runs()));
            for state in jobs.iter().map(|job| job.state()) {
                assert_eq!((state.phase, &state.error, &state.digest), (Phase::Done, &None, &state.live_digest));
            }
        });
    }
}
