//! From offset zero into a fresh directory, beside the live view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_projections::rebuild::pass::{Ends, Pass};
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Failure;
use orderledger_store::{At, Error, going_last};

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

/// Builds them in one pass over the log; then each takes its place on its own.
pub(super) fn build(ledger: &Arc<Ledger>, ones: Vec<One>) {
    let folded = fresh(ledger, &ones).and_then(|foldings| {
        let mut pairs: Vec<(One, Folding)> = ones.iter().cloned().zip(foldings).collect();
        politely(|| fold(ledger, &mut pairs))?;
        Ok(pairs)
    });
    match folded {
        Ok(pairs) => {
            for (one, folding) in pairs {
                let replaced = write(ledger, &one, folding).and_then(|folding| replace(ledger, &one, folding));
                one.end(if is_called_off(ledger, &one) && replaced.is_err() { Ok(Ended::Canceled) } else { replaced });
            }
        }
        Err(failure) => ones.iter().filter(|one| one.job.runs()).for_each(|one| one.end(Err(failure.clone()))),
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

/// Folds up to where all the live views are; those that are called off leave.
fn fold(ledger: &Ledger, pairs: &mut Vec<(One, Folding)>) -> Result<(), Failure> {
    let (mut ones, mut foldings): (Vec<One>, Vec<Folding>) = pairs.drain(..).unzip();
    let mut pass = Pass::begin(&*ledger.log, &ledger.key, &mut foldings)?;
    let ends = ends_of(ledger, &ones, &foldings)?;
    loop {
        let mut at = 0;
        while let Some(one) = ones.get(at) {
            if is_called_off(ledger, one) {
                one.end(Ok(Ended::Canceled));
                ones.remove(at);
                foldings.remove(at);
            } else {
                at += 1;
            }
        }
        if ones.is_empty() {
            return Ok(());
        }
        if let Some(one) = ones.first() {
            check_room(one.handle.seat().generations.dir(), 0)?;
        }
        // Where nobody waits for the rows, for the live ones answer meanwhile.
        let answers = ones.iter().all(|one| is_comparable(&one.handle, &one.handle.live.load()));
        let begun = Instant::now();
        let is_there = going_last(answers, || pass.step(&mut foldings, &ends))?;
        ones.iter().for_each(|one| one.job.passed(0, pass.passed()));
        // Also after the last one: what comes next works on.
        if let Some(one) = ones.first() {
            one.job.sleep(ledger.pause_after(begun.elapsed(), one));
        }
        if is_there {
            *pairs = ones.into_iter().zip(foldings).collect();
            return Ok(());
        }
    }
}

/// Where every live view is that can be read, partition by partition; where none is, the ends of the log.
fn ends_of(ledger: &Ledger, ones: &[One], foldings: &[Folding]) -> Result<Ends, Error> {
    let mut ends = Ends::new();
    for (one, folding) in ones.iter().zip(foldings) {
        for (of, end) in ends_of_live(ledger, &one.handle, folding)? {
            let lowest = ends.entry(of).or_insert(end);
            *lowest = end.min(*lowest);
        }
    }
    Ok(ends)
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
