//! Looks at every group, several times a second whether anybody asks or not: who stands still must be known by then.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_projections::intake::Intake;
use orderledger_projections::stage::fold::StageFold;
use orderledger_projections::worker::progress::{PartitionProgress, Standing};
use orderledger_store::{At, Error, can_go_last, go_last, keep_half_free, while_lagging};

use super::class::Class;
use super::group::{FROZEN_AFTER, Group, PartitionLag, TURN_WITHIN};
use super::partition::{Lag, lag};
use super::share::{Mover, Shares};
use super::track::Track;
use crate::ledger::rebuild::job::{Job, Phase};
use crate::ledger::{Ledger, ViewHandle};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);

/// What was found so long ago says nothing of now.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// So many records of `orders` a second are those of more than a few orders: one alone is two to four.
const MANY_A_SECOND: f64 = 10.0;

/// What needs a memory: how every reader moved.
pub(crate) struct Watch {
    begun: Instant,
    tracks: Mutex<Tracks>,
    /// When it was looked last, and what was found.
    found: Mutex<Option<(Instant, Found)>>,
}

type Found = Result<Arc<Vec<Group>>, Error>;

/// How each group moved in each partition.
#[derive(Default)]
struct Tracks {
    of: HashMap<(&'static str, TopicPartition), Track>,
    /// When a group last passed records that had waited for longer than one may stand still.
    passed_old: HashMap<&'static str, Duration>,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch { begun: Instant::now(), tracks: Mutex::default(), found: Mutex::default() }
    }
}

impl Watch {
    /// All groups as they are now: projections in the order in which they are shown, then stages.
    /// It reads of the log what each hasn't read, which no order waits for.
    pub(crate) fn groups(&self, ledger: &Ledger) -> Result<Vec<Group>, Error> {
        while_lagging(|| self.look_at_all(ledger))
    }

    /// All groups as they were found last, mostly a quarter of a second ago; none before the first look. [`Error::Unavailable`] where a look takes for longer
    /// than [`STALE_AFTER`].
    pub(crate) fn found(&self) -> Found {
        match &*self.found.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(Arc::default()),
            Some((at, _)) if at.elapsed() > STALE_AFTER => {
                Err(Error::unavailable(At::Log, "it doesn't say in time how far the groups are behind"))
            }
            Some((_, found)) => found.clone(),
        }
    }

    fn look_at_all(&self, ledger: &Ledger) -> Result<Vec<Group>, Error> {
        let mut groups = Vec::new();
        for view in ledger.views() {
            let standing = view.live.load().progress.standing();
            groups.push(self.group(ledger, view.name, standing, Some(view))?);
        }
        for (name, progress) in ledger.stages() {
            groups.push(self.group(ledger, name, progress.standing(), None)?);
        }
        Ok(groups)
    }

    fn group(
        &self,
        ledger: &Ledger,
        name: &'static str,
        standing: Arc<Standing>,
        view: Option<&Arc<ViewHandle>>,
    ) -> Result<Group, Error> {
        // Asked before anything is locked: the log may take its time.
        let lags = standing.partitions.iter().map(|(of, at)| Ok((*of, *at, lag(&*ledger.log, *of, *at)?)));
        let lags: Vec<(TopicPartition, PartitionProgress, Lag)> = lags.collect::<Result<_, Error>>()?;
        // What nothing works on doesn't stand still.
        let is_worked_on = view.is_none_or(|view| is_worked_on(view));
        let partitions = look(&mut self.tracks(), self.begun.elapsed(), name, is_worked_on, lags);
        Ok(Group::new(name, standing, partitions, view.map(|view| &**view)))
    }

    fn tracks(&self) -> MutexGuard<'_, Tracks> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What nothing works on is replaced, or was let rest.
fn is_worked_on(view: &ViewHandle) -> bool {
    !view.needs_rebuild() && !view.rests()
}

/// Those that may go last, of whom each has something to do.
fn movers(ledger: &Ledger, groups: &[Group]) -> Vec<Mover> {
    let group = |view: &ViewHandle| groups.iter().find(|group| group.name == view.name && is_worked_on(view));
    let rebuild = |view: &ViewHandle| {
        let job = view.job().filter(|job| !job.pauses() && !job.hurries())?;
        let state = job.state();
        // Nothing is known of what is left before the first step has ended.
        let left = if state.records == 0 { 1 } else { state.left };
        let goes_last = matches!(state.phase, Phase::Folding | Phase::CatchingUp);
        goes_last.then(|| Mover::rebuild(view.name, job.generation, state.records, left))
    };
    let of = |view: &Arc<ViewHandle>| [group(view).and_then(Mover::group), rebuild(view)];
    ledger.views().into_iter().flat_map(of).flatten().collect()
}

/// Whether one rests until another has taken its place, or soon will.
fn is_replacing(ledger: &Ledger) -> bool {
    let is_replaced = |job: &Job| match job.state().phase {
        Phase::CatchingUp => job.hurries(),
        phase => phase == Phase::Comparing,
    };
    ledger.views().into_iter().any(|view| view.job().is_some_and(|job| is_replaced(&job)))
}

/// Looks at a group in all its partitions. A partition that stands still is frozen, unless it may be that its turn hasn't come: the group
/// passes records elsewhere that have waited for long, too.
fn look(
    tracks: &mut Tracks,
    now: Duration,
    name: &'static str,
    is_worked_on: bool,
    lags: Vec<(TopicPartition, PartitionProgress, Lag)>,
) -> Vec<PartitionLag> {
    let Tracks { of: tracks, passed_old } = tracks;
    let passes_old = lags.iter().any(|(of, at, lag)| {
        let is_old = u64::try_from(lag.millis).is_ok_and(|millis| Duration::from_millis(millis) > FROZEN_AFTER);
        is_old && tracks.get(&(name, *of)).is_some_and(|track| track.has_moved_to(at.next_offset))
    });
    if passes_old {
        passed_old.insert(name, now);
    }
    let passes_none_for = passed_old.get(name).map_or(now, |last| now.saturating_sub(*last));
    let partition = |(of, at, lag): (TopicPartition, PartitionProgress, Lag)| {
        let end = at.next_offset.saturating_add(lag.records);
        let waits = lag.records > 0 && is_worked_on;
        let pace = tracks.entry((name, of)).or_default().look(now, at.next_offset, end, waits);
        let is_frozen = pace.still_for >= TURN_WITHIN || pace.still_for.min(passes_none_for) >= FROZEN_AFTER;
        PartitionLag { of, at, lag, pace, is_frozen }
    };
    lags.into_iter().map(partition).collect()
}

/// Watches as long as the program runs, and says in the program's own log which group freezes and goes on.
pub(crate) fn start(ledger: &Arc<Ledger>) -> Result<(), Error> {
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("lag", move || {
        let _ends = Asks;
        // Tried before anything is busy.
        tracing::debug!(can = can_go_last(), "whether what may lag goes last while orders come");
        let (mut frozen, mut shares) = (BTreeSet::new(), Shares::default());
        while !of.conditions.stop.is_set() {
            // A log that doesn't answer is told of elsewhere.
            let found: Found = of.lag.groups(&of).map(Arc::new);
            let orders_come = found.as_ref().is_ok_and(|groups| groups.iter().any(passes_orders));
            if let Ok(groups) = &found {
                keep_half_free(orders_come);
                let has_share = shares.look(of.lag.begun.elapsed(), &movers(&of, groups));
                go_last(orders_come && !has_share && !is_replacing(&of));
                // One may have begun to be compared in between.
                if is_replacing(&of) {
                    go_last(false);
                }
            } else {
                go_last(false);
            }
            let groups = found.as_ref().map(|groups| groups.as_slice()).unwrap_or_default();
            of.conditions.courtesy.ask(groups.iter().any(goes_first));
            groups.iter().for_each(|group| tell(group, &mut frozen));
            *of.lag.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found));
            of.conditions.stop.sleep(EVERY);
        }
    })
}

/// What is asked of those that may lag is asked by nobody any more once this ends, also in a panic.
struct Asks;

impl Drop for Asks {
    fn drop(&mut self) {
        keep_half_free(false);
        go_last(false);
    }
}

/// Whether somebody waits for what it does, more than once in a while: what may lag keeps off half of the cores then.
fn passes_orders(group: &Group) -> bool {
    group.name == Intake::NAME && group.per_second >= MANY_A_SECOND
}

/// Whether what may lag makes room for it: it is behind, and has the use of a core.
fn goes_first(group: &Group) -> bool {
    group.class == Class::Critical && group.is_over_target() && !group.is_frozen() && group.error().is_none()
}

fn tell(group: &Group, frozen: &mut BTreeSet<&'static str>) {
    let name = group.name;
    if !group.is_frozen() {
        if frozen.remove(name) {
            tracing::warn!(group = name, state = group.state, "the group is no longer frozen");
        }
    } else if let Some(at) = group.frozen_in().filter(|_| frozen.insert(name)) {
        let (position, still_for) = (at.of.offset(at.at.next_offset), at.pace.still_for);
        tracing::error!(group = name, %position, ?still_for, "the group is frozen: it has records to read and doesn't move");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_projections::worker::progress::WorkerState;
    use orderledger_projections::worker::rest::Rest;

    use super::super::track::Pace;
    use super::*;
    use crate::ledger::at_rest::{PATIENCE, until, with_one_at_rest};
    use crate::ledger::rebuild::job::Asked;

    fn with_settlement_at_rest(test: impl FnOnce(&Arc<Ledger>, Rest)) {
        with_one_at_rest(|ledger| &ledger.settlement, 1, test);
    }

    #[test]
    fn who_may_lag_is_asked_to_make_room_as_long_as_settlement_is_behind() {
        with_settlement_at_rest(|ledger, rest| {
            let courtesy = &ledger.conditions.courtesy;
            until("room is asked for", || courtesy.is_asked());
            rest.go_on();
            until("room is no longer asked for", || !courtesy.is_asked());
        });
    }

    #[test]
    fn a_view_that_was_let_rest_or_is_compared_is_not_frozen() {
        // Whether it is after so long without a step.
        let is_frozen = |ledger: &Ledger| {
            let watch = Watch::default();
            watch.groups(ledger).unwrap();
            let watch = Watch { begun: watch.begun.checked_sub(TURN_WITHIN).unwrap(), ..watch };
            watch.groups(ledger).unwrap().iter().any(|group| group.name == "settlement" && group.is_frozen())
        };
        with_settlement_at_rest(|ledger, rest| {
            assert!(!is_frozen(ledger), "it was let rest");
            // Its thread ends, and nobody goes on in its place.
            rest.relieve();
            until("it has ended", || rest.has_ended());
            assert!(is_frozen(ledger));
            let job = Job::new(2, Asked::Rollback);
            job.enter(Phase::Comparing);
            *ledger.settlement.job.lock().unwrap() = Some(Arc::new(job));
            // Who compares has the seat.
            let seat = ledger.settlement.seat();
            assert!(!is_frozen(ledger), "it is compared");
            drop(seat);
        });
    }

    #[test]
    fn a_rebuild_moves_while_it_folds_and_nothing_goes_last_while_it_is_compared_or_hurries() {
        with_settlement_at_rest(|ledger, _| {
            let rebuilds = || {
                let groups = ledger.lag.groups(ledger).unwrap();
                movers(ledger, &groups).iter().filter(|mover| mover.is_rebuild()).count()
            };
            let job = Arc::new(Job::new(2, Asked::Rebuild(None)));
            assert_eq!((rebuilds(), is_replacing(ledger)), (0, false));
            *ledger.audit.job.lock().unwrap() = Some(Arc::clone(&job));
            for (phase, expected) in [
                (Phase::Folding, (1, false)),
                (Phase::Writing, (0, false)),
                (Phase::CatchingUp, (1, false)),
                (Phase::Comparing, (0, true)),
                (Phase::Done, (0, false)),
            ] {
                job.enter(phase);
                assert_eq!((rebuilds(), is_replacing(ledger)), expected, "{phase:?}");
            }
            job.enter(Phase::Folding);
            let of = Arc::clone(&job);
            let pause = std::thread::spawn(move || of.sleep(PATIENCE));
            until("it pauses", || rebuilds() == 0);
            job.cancel();
            pause.join().unwrap();
            assert_eq!(rebuilds(), 1);
            job.enter(Phase::CatchingUp);
            job.hurry();
            assert_eq!((rebuilds(), is_replacing(ledger)), (0, true), "it hurries");
        });
    }

    /// Whether the second of two partitions is frozen, in which a group stands still for so long while it has something to read: the
    /// first one's next record has waited for so many milliseconds, and so many are passed there between two looks.
    fn is_frozen(seconds: u32, millis: i64, passed: u64, is_worked_on: bool) -> bool {
        let mut tracks = Tracks::default();
        let at = |next_offset| PartitionProgress { next_offset, ..PartitionProgress::default() };
        let mut is_frozen = false;
        for tick in 0..=4 * seconds {
            let first = (Topic::Orders.at(0), at(u64::from(tick) * passed), Lag { records: 1_000, millis });
            let second = (Topic::Orders.at(1), at(0), Lag { records: 7, millis: 90_000 });
            let seen = look(&mut tracks, EVERY * tick, "audit", is_worked_on, vec![first, second]);
            is_frozen = seen.last().is_some_and(|one| one.is_frozen);
        }
        is_frozen
    }

    #[test]
    fn a_partition_whose_turn_may_come_yet_is_not_frozen_and_one_that_is_passed_over_is() {
        let [soon, late] = [FROZEN_AFTER, TURN_WITHIN].map(|after| u32::try_from(after.as_secs()).unwrap_or(0));
        for (seconds, millis, passed, is_worked_on, expected, why) in [
            (late - 1, 60_000, 100, true, false, "old records are passed elsewhere"),
            (late, 60_000, 100, true, true, "its turn should have come"),
            (soon, 50, 100, true, true, "elsewhere it is near the end"),
            (soon, 60_000, 0, true, true, "it doesn't move anywhere"),
            (soon - 1, 60_000, 0, true, false, "not for long"),
            (late, 60_000, 0, false, false, "it rests"),
        ] {
            assert_eq!(is_frozen(seconds, millis, passed, is_worked_on), expected, "{why}");
        }
    }

    #[test]
    fn room_is_made_for_a_critical_group_that_is_behind_and_can_use_it() {
        let ended = WorkerState::Stopped("the disk is full".to_owned());
        for (name, millis, still_for, state, expected) in [
            ("settlement", 101, Duration::ZERO, WorkerState::Live, true),
            ("matching", 101, Duration::ZERO, WorkerState::CatchingUp, true),
            ("settlement", 100, Duration::ZERO, WorkerState::Live, false),
            ("settlement", 101, FROZEN_AFTER, WorkerState::Live, false),
            ("settlement", 101, Duration::ZERO, ended, false),
            ("audit", 600_000, Duration::ZERO, WorkerState::Live, false),
            ("notifications", 600_000, Duration::ZERO, WorkerState::Live, false),
        ] {
            let standing = Arc::new(Standing { state, ..Standing::default() });
            let (at, pace) = (PartitionProgress::default(), Pace { still_for, ..Pace::default() });
            let (of, lag, is_frozen) = (Topic::Orders.at(0), Lag { records: 1, millis }, still_for >= FROZEN_AFTER);
            let one = PartitionLag { of, at, lag, pace, is_frozen };
            let group = Group::new(name, standing, vec![one], None);
            assert_eq!(goes_first(&group), expected, "{name} {millis} {still_for:?}");
        }
    }
}
