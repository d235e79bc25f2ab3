//! Looks at every group, several times a second whether anybody asks or not: who stands still must be known by then.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::progress::{PartitionProgress, Standing};
use orderledger_store::Error;

use super::class::Class;
use super::group::{FROZEN_AFTER, Group, PartitionLag};
use super::partition::{Lag, lag};
use super::track::Track;
use crate::ledger::{Ledger, ViewHandle};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);

/// What needs a memory: how every reader moved.
pub(crate) struct Watch {
    begun: Instant,
    tracks: Mutex<Tracks>,
}

/// How each group moved in each partition.
type Tracks = HashMap<(&'static str, TopicPartition), Track>;

impl Default for Watch {
    fn default() -> Watch {
        Watch { begun: Instant::now(), tracks: Mutex::default() }
    }
}

impl Watch {
    /// All groups as they are now: projections in the order in which they are shown, then stages.
    pub(crate) fn groups(&self, ledger: &Ledger) -> Result<Vec<Group>, Error> {
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
        // What nothing works on doesn't stand still: it is replaced, or was let rest.
        let is_worked_on = !view.is_some_and(|view| view.needs_rebuild() || view.rests());
        let partitions = look(&mut self.tracks(), self.begun.elapsed(), name, is_worked_on, lags);
        Ok(Group::new(name, standing, partitions, view.map(|view| &**view)))
    }

    fn tracks(&self) -> MutexGuard<'_, Tracks> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at a group in all its partitions. While it passes records that have waited for longer than one that is frozen, it takes those
/// first, whatever it reads after them: nothing of it stands still.
fn look(
    tracks: &mut Tracks,
    now: Duration,
    name: &'static str,
    is_worked_on: bool,
    lags: Vec<(TopicPartition, PartitionProgress, Lag)>,
) -> Vec<PartitionLag> {
    let passes_old_records = lags.iter().any(|(of, at, lag)| {
        let is_old = u64::try_from(lag.millis).is_ok_and(|millis| Duration::from_millis(millis) > FROZEN_AFTER);
        is_old && tracks.get(&(name, *of)).is_some_and(|track| track.has_moved_to(at.next_offset))
    });
    let partition = |(of, at, lag): (TopicPartition, PartitionProgress, Lag)| {
        let end = at.next_offset.saturating_add(lag.records);
        let waits = lag.records > 0 && is_worked_on && !passes_old_records;
        let pace = tracks.entry((name, of)).or_default().look(now, at.next_offset, end, waits);
        PartitionLag { of, at, lag, pace }
    };
    lags.into_iter().map(partition).collect()
}

/// Watches as long as the program runs, and says in the program's own log which group freezes and goes on.
pub(crate) fn start(ledger: &Arc<Ledger>) -> Result<(), Error> {
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("lag", move || {
        let mut frozen = BTreeSet::new();
        while !of.conditions.stop.is_set() {
            // A log that doesn't answer is told of elsewhere.
            let groups = of.lag.groups(&of).unwrap_or_default();
            of.conditions.courtesy.ask(groups.iter().any(goes_first));
            groups.iter().for_each(|group| tell(group, &mut frozen));
            of.conditions.stop.sleep(EVERY);
        }
    })
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
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_projections::worker::progress::WorkerState;

    use super::super::track::Pace;
    use super::*;

    /// For how long the second of two partitions stands still, which a group never reads, after it was looked at for a minute: the first
    /// one's next record has waited for so long, and so many are passed between two looks.
    fn still_for(millis: i64, passed: u64, is_worked_on: bool) -> Duration {
        let mut tracks = Tracks::default();
        let at = |next_offset| PartitionProgress { next_offset, ..PartitionProgress::default() };
        let mut still_for = Duration::ZERO;
        for tick in 0..=240 {
            let first = (Topic::Orders.at(0), at(u64::from(tick) * passed), Lag { records: 1_000, millis });
            let second = (Topic::Orders.at(1), at(0), Lag { records: 7, millis: 90_000 });
            let seen = look(&mut tracks, EVERY * tick, "audit", is_worked_on, vec![first, second]);
            still_for = seen.last().map_or(Duration::ZERO, |one| one.pace.still_for);
        }
        still_for
    }

    #[test]
    fn a_partition_whose_turn_has_not_come_is_not_frozen_and_one_that_is_passed_over_is() {
        let minute = Duration::from_secs(60);
        assert_eq!(still_for(60_000, 100, true), Duration::ZERO, "older records are passed elsewhere");
        assert_eq!(still_for(50, 100, true), minute, "elsewhere it is at the end");
        assert_eq!(still_for(60_000, 0, true), minute, "it doesn't move anywhere");
        assert_eq!(still_for(60_000, 0, false), Duration::ZERO, "it rests");
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
            let one = PartitionLag { of: Topic::Orders.at(0), at, lag: Lag { records: 1, millis }, pace };
            let group = Group::new(name, standing, vec![one], None);
            assert_eq!(goes_first(&group), expected, "{name} {millis} {still_for:?}");
        }
    }
}
