//! Looks at every group, several times a second whether anybody asks or not: who stands still must be known by then.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::progress::{PartitionProgress, Standing};
use orderledger_store::Error;

use super::class::Class;
use super::group::{Group, PartitionLag};
use super::partition::{Lag, lag};
use super::track::Track;
use crate::ledger::{Ledger, ViewHandle};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);

/// What needs a memory: how every reader moved.
pub(crate) struct Watch {
    begun: Instant,
    tracks: Mutex<HashMap<(&'static str, TopicPartition), Track>>,
}

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
        let (now, mut tracks) = (self.begun.elapsed(), self.tracks());
        // What nothing works on doesn't stand still: it is replaced.
        let is_worked_on = !view.is_some_and(|view| view.needs_rebuild());
        let partition = |(of, at, lag): (TopicPartition, PartitionProgress, Lag)| {
            let end = at.next_offset.saturating_add(lag.records);
            let waits = lag.records > 0 && is_worked_on;
            let pace = tracks.entry((name, of)).or_default().look(now, at.next_offset, end, waits);
            PartitionLag { of, at, lag, pace }
        };
        let partitions = lags.into_iter().map(partition).collect();
        drop(tracks);
        Ok(Group::new(name, standing, partitions, view.map(|view| &**view)))
    }

    fn tracks(&self) -> MutexGuard<'_, HashMap<(&'static str, TopicPartition), Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    use super::super::group::FROZEN_AFTER;
    use super::super::track::Pace;
    use super::*;

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
