//! Whether what goes last gets anywhere: else it needs a share of the cores like everybody else.

use std::collections::HashMap;
use std::time::Duration;

use super::class::Class;
use super::group::{FROZEN_AFTER, Group};

/// A group with something to read that has not moved for so long needs its share: half of what makes it frozen.
const STILL_FOR: Duration = Duration::from_millis(FROZEN_AFTER.as_secs() * 500);
/// So does a rebuild that has not, or hardly: its longest steps take less.
const REBUILD_STILL_FOR: Duration = Duration::from_secs(30);
/// With fewer records than these, a thousand a second, it has hardly moved.
const REBUILD_MOVES_BY: u64 = 30_000;
/// So does a group that is further behind than it may be and has not come a hundredth nearer for so long.
const NO_NEARER_FOR: Duration = Duration::from_secs(30);
/// Without a look for so long nobody knows.
const GAP: Duration = Duration::from_secs(5);
/// For so long it has it. What stands still for longer than that with it does so for another reason.
const SHARE_FOR: Duration = Duration::from_secs(60);
/// What has no target may be so far behind, for this question.
const BEST_EFFORT_MILLIS: i64 = 3_600_000;

/// Something that may go last, with something to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mover {
    /// A group, or a rebuild of that one into a generation.
    name: (&'static str, Option<u64>),
    /// Records that it has passed, and that are left for it.
    passed: u64,
    left: u64,
    is_too_far: bool,
    still_for: Duration,
    /// It has moved with so many records.
    moves_by: u64,
}

impl Mover {
    /// The group, if it may go last and has not ended.
    pub(super) fn group(group: &Group) -> Option<Mover> {
        let is_too_far = match group.class {
            Class::Critical => return None,
            Class::BestEffort => group.lag.millis > BEST_EFFORT_MILLIS,
            Class::MayLag => group.is_over_target(),
        };
        let passed = group.partitions.iter().fold(0_u64, |sum, one| sum.saturating_add(one.at.next_offset));
        let (name, left) = ((group.name, None), group.lag.records);
        let of = Mover { name, passed, left, is_too_far, still_for: STILL_FOR, moves_by: 1 };
        group.error().is_none().then_some(of)
    }

    /// A rebuild of that projection that folds, or catches up at leisure.
    pub(super) fn rebuild(name: &'static str, generation: u64, passed: u64, left: u64) -> Mover {
        let (name, still_for, moves_by) = ((name, Some(generation)), REBUILD_STILL_FOR, REBUILD_MOVES_BY);
        Mover { name, passed, left, is_too_far: false, still_for, moves_by }
    }
}

#[cfg(test)]
impl Mover {
    pub(super) const fn is_rebuild(&self) -> bool {
        self.name.1.is_some()
    }
}

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: HashMap<(&'static str, Option<u64>), Seen>,
    looked: Option<Duration>,
    /// When one of them last needed it.
    needed: Option<Duration>,
}

/// Where one was, and since when.
#[derive(Clone, Copy, Debug)]
struct Seen {
    passed: u64,
    moved: Duration,
    /// What was left when it last came nearer, since it was further behind than it may be.
    left: u64,
    nearer: Duration,
}

impl Shares {
    /// Takes a look at all of them that somebody works on, at a time that never goes back. Whether they have a share of the cores.
    pub(super) fn look(&mut self, now: Duration, movers: &[Mover]) -> bool {
        if self.looked.replace(now).is_some_and(|last| now.saturating_sub(last) > GAP) {
            self.of.clear();
            self.needed = Some(now);
        }
        self.of.retain(|name, _| movers.iter().any(|mover| mover.name == *name));
        for Mover { name, passed, left, is_too_far, still_for, moves_by } in movers.iter().copied() {
            let seen = self.of.entry(name).or_insert(Seen { passed, moved: now, left, nearer: now });
            if passed.abs_diff(seen.passed) >= moves_by || left == 0 {
                (seen.passed, seen.moved) = (passed, now);
            }
            let falls_back = now.saturating_sub(seen.nearer) >= NO_NEARER_FOR;
            // Once it fell back it is to come nearer from there.
            if falls_back || left < seen.left.saturating_sub(seen.left / 100) || !is_too_far {
                (seen.left, seen.nearer) = (left, now);
            }
            let stood_still = now.saturating_sub(seen.moved);
            if (falls_back || stood_still >= still_for) && stood_still < still_for + SHARE_FOR {
                self.needed = Some(now);
            }
        }
        self.needed.is_some_and(|needed| now.saturating_sub(needed) < SHARE_FOR)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orderledger_domain::position::Topic;
    use orderledger_projections::worker::progress::{PartitionProgress, Standing, WorkerState};

    use super::super::group::PartitionLag;
    use super::super::partition::Lag;
    use super::super::track::Pace;
    use super::*;

    fn group(name: &'static str, next_offset: u64, records: u64, millis: i64, state: WorkerState) -> Group {
        let at = PartitionProgress { next_offset, ..PartitionProgress::default() };
        let (of, lag) = (Topic::Orders.at(0), Lag { records, millis });
        let one = PartitionLag { of, at, lag, pace: Pace::default(), is_frozen: false };
        Group::new(name, Arc::new(Standing { state, ..Standing::default() }), vec![one], None)
    }

    /// Whether such a group has its share after so many seconds, in each of which it passes so many records and so many come.
    fn has_share(
        name: &'static str,
        (passes, come): (u64, u64),
        millis: i64,
        state: &WorkerState,
        seconds: Duration,
    ) -> bool {
        let mut shares = Shares::default();
        let looks = (0..=seconds.as_secs()).map(|second| {
            let left = (1_000 + come * second).saturating_sub(passes * second);
            let group = group(name, passes * second, left, millis, state.clone());
            shares.look(Duration::from_secs(second), Mover::group(&group).as_slice())
        });
        looks.last().unwrap_or(false)
    }

    #[test]
    fn what_stands_still_or_falls_back_further_than_it_may_has_a_share() {
        let (live, ended) = (WorkerState::Live, WorkerState::Halted("unknown version".to_owned()));
        let second = Duration::from_secs(1);
        for (name, pace, millis, state, after, expected, why) in [
            ("audit", (0, 1), 1_000, &live, STILL_FOR, true, "it stands still"),
            ("notifications", (0, 1), 1_000, &live, STILL_FOR, true, "it stands still"),
            ("audit", (0, 1), 1_000, &live, STILL_FOR - second, false, "not for long"),
            ("audit", (0, 1), 1_000, &live, STILL_FOR + SHARE_FOR * 2, false, "a share doesn't help it"),
            ("audit", (0, 1), 400_000, &live, second * 150, false, "nor then"),
            ("audit", (1, 2), 300_001, &live, second * 30, true, "it falls back"),
            ("audit", (1, 2), 300_001, &live, second * 29, false, "not for long"),
            ("audit", (1, 2), 300_000, &live, second * 90, false, "it may be so far behind"),
            ("audit", (2, 1), 300_001, &live, second * 90, false, "it comes nearer"),
            ("audit", (100, 100), 300_001, &live, second * 30, true, "it comes no nearer"),
            ("notifications", (1, 2), 3_600_000, &live, second * 90, false, "nobody waits for it"),
            ("notifications", (1, 2), 3_600_001, &live, second * 90, true, "for an hour"),
            ("audit", (0, 1), 400_000, &ended, second * 90, false, "it has ended"),
            ("settlement", (0, 1), 400_000, &live, second * 90, false, "it never goes last"),
        ] {
            assert_eq!(has_share(name, pace, millis, state, after), expected, "{name}: {why}");
        }
    }

    /// The seconds of the first so many in which a rebuild that has passed so many has its share.
    fn seconds_of_a_share(seconds: u64, passed: impl Fn(u64) -> Option<u64>) -> std::ops::Range<u64> {
        let mut shares = Shares::default();
        let movers = |second| passed(second).map(|passed| Mover::rebuild("audit", 2, passed, 10));
        let has = |second: &u64| shares.look(Duration::from_secs(*second), movers(*second).as_slice());
        let seconds: Vec<u64> = (0..seconds).filter(has).collect();
        let range = seconds.first().map_or(0..0, |first| *first..first + seconds.len() as u64);
        assert!(seconds.iter().copied().eq(range.clone()), "{seconds:?}");
        range
    }

    #[test]
    fn a_rebuild_that_stands_still_has_a_share_until_a_minute_after_it_moves() {
        let moves = |second: u64| second * REBUILD_MOVES_BY / REBUILD_STILL_FOR.as_secs();
        assert_eq!(seconds_of_a_share(300, |second| Some(moves(second) * 2)), 0..0, "it moves");
        assert_eq!(seconds_of_a_share(300, |second| Some(moves(second.saturating_sub(40)) * 30)), 30..100);
        assert_eq!(
            seconds_of_a_share(300, |second| Some(second + 1)),
            30..149,
            "it hardly moves, and a share doesn't help it"
        );
        assert_eq!(seconds_of_a_share(300, |_| Some(0)), 30..149, "it stands still, and a share doesn't help it");
        assert_eq!(seconds_of_a_share(300, |second| (second % 20 > 0).then_some(0)), 0..0, "each is another one");
    }

    #[test]
    fn where_nobody_looked_for_long_they_have_a_share() {
        let mut shares = Shares::default();
        assert!(!shares.look(Duration::from_secs(100), &[]));
        assert!(!shares.look(Duration::from_secs(105), &[]));
        assert!(shares.look(Duration::from_secs(111), &[]));
    }

    #[test]
    fn one_that_comes_nearer_again_needs_it_no_more() {
        let mut shares = Shares::default();
        // It falls back for 30 s, a hundred records in each, and then comes nearer by two a second.
        let mut at = |second: u64| {
            let left = if second <= 30 { 1_000 + 100 * second } else { 4_060_u64.saturating_sub(2 * second) };
            let group = group("audit", second, left, 400_000, WorkerState::Live);
            shares.look(Duration::from_secs(second), Mover::group(&group).as_slice())
        };
        let needs: Vec<u64> = (0..300).filter(|second| at(*second)).collect();
        assert!(needs.iter().copied().eq(30..90), "{needs:?}");
    }
}
