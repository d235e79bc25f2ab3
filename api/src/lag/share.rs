//! Whether what goes last gets anywhere: else it needs a share of the cores like everybody else.

use std::collections::HashMap;
use std::time::Duration;

use super::class::Class;
use super::group::Group;

/// One with something to read that has not moved for so long needs its share: half of what makes it frozen.
const STILL_FOR: Duration = Duration::from_secs(5);
/// So does one that is further behind than it may be and came no nearer for so long.
const NO_NEARER_FOR: Duration = Duration::from_secs(30);
/// What was seen before a longer time without a look says nothing of now.
const GAP: Duration = Duration::from_secs(2);
/// For so long it has it.
const SHARE_FOR: Duration = Duration::from_secs(60);
/// What has no target may be so far behind, for this question.
const BEST_EFFORT_MILLIS: i64 = 3_600_000;

/// What is known of the groups that may lag.
#[derive(Debug, Default)]
pub(super) struct Shares {
    of: HashMap<&'static str, Seen>,
    looked: Option<Duration>,
    /// When one of them last needed it.
    needed: Option<Duration>,
}

/// Where a group was, and since when.
#[derive(Clone, Copy, Debug)]
struct Seen {
    passed: u64,
    moved: Duration,
    /// The fewest records that it was behind, since it was further behind than it may be.
    left: u64,
    nearer: Duration,
}

impl Shares {
    /// Takes a look at all groups, at a time that never goes back; of those that nobody works on nothing is expected. Whether what may lag has a share of the cores.
    pub(super) fn look(&mut self, now: Duration, groups: &[Group], is_worked_on: impl Fn(&str) -> bool) -> bool {
        if self.looked.is_none_or(|last| now.saturating_sub(last) > GAP) {
            self.of.clear();
        }
        self.looked = Some(now);
        for group in groups.iter().filter(|group| group.class != Class::Critical) {
            let passed = group.partitions.iter().fold(0_u64, |sum, one| sum.saturating_add(one.at.next_offset));
            let left = group.lag.records;
            let new = Seen { passed, moved: now, left, nearer: now };
            let seen = self.of.entry(group.name).or_insert(new);
            if group.error().is_some() || !is_worked_on(group.name) {
                *seen = new;
                continue;
            }
            if passed != seen.passed || left == 0 {
                (seen.passed, seen.moved) = (passed, now);
            }
            if left < seen.left || !is_too_far(group) {
                (seen.left, seen.nearer) = (left, now);
            }
            let falls_back = now.saturating_sub(seen.nearer) >= NO_NEARER_FOR;
            if falls_back {
                // From here on it is to come nearer.
                (seen.left, seen.nearer) = (left, now);
            }
            if falls_back || now.saturating_sub(seen.moved) >= STILL_FOR {
                self.needed = Some(now);
            }
        }
        self.needed.is_some_and(|needed| now.saturating_sub(needed) < SHARE_FOR)
    }
}

fn is_too_far(group: &Group) -> bool {
    match group.class {
        Class::BestEffort => group.lag.millis > BEST_EFFORT_MILLIS,
        Class::Critical | Class::MayLag => group.is_over_target(),
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
        is_worked_on: bool,
        seconds: u64,
    ) -> bool {
        let mut shares = Shares::default();
        let looks = (0..=seconds).map(|second| {
            let left = (1_000 + come * second).saturating_sub(passes * second);
            let groups = [group(name, passes * second, left, millis, state.clone())];
            shares.look(Duration::from_secs(second), &groups, |_| is_worked_on)
        });
        looks.last().unwrap_or(false)
    }

    #[test]
    fn what_stands_still_or_falls_back_further_than_it_may_has_a_share() {
        let (live, ended) = (WorkerState::Live, WorkerState::Halted("unknown version".to_owned()));
        let still = STILL_FOR.as_secs();
        for (name, pace, millis, state, is_worked_on, seconds, expected, why) in [
            ("audit", (0, 1), 1_000, &live, true, still, true, "it stands still"),
            ("notifications", (0, 1), 1_000, &live, true, still, true, "it stands still"),
            ("audit", (0, 1), 1_000, &live, true, still.saturating_sub(1), false, "not for long"),
            ("audit", (1, 2), 300_001, &live, true, 30, true, "it falls back"),
            ("audit", (1, 2), 300_001, &live, true, 29, false, "not for long"),
            ("audit", (1, 2), 300_000, &live, true, 90, false, "it may be so far behind"),
            ("audit", (2, 1), 300_001, &live, true, 90, false, "it comes nearer"),
            ("notifications", (1, 2), 3_600_000, &live, true, 90, false, "nobody waits for it"),
            ("notifications", (1, 2), 3_600_001, &live, true, 90, true, "for an hour"),
            ("audit", (0, 1), 400_000, &ended, true, 90, false, "it has ended"),
            ("audit", (0, 1), 400_000, &live, false, 90, false, "nobody works on it"),
            ("settlement", (0, 1), 400_000, &live, true, 90, false, "it never goes last"),
        ] {
            assert_eq!(has_share(name, pace, millis, state, is_worked_on, seconds), expected, "{name}: {why}");
        }
    }

    #[test]
    fn it_has_it_for_a_while() {
        let mut shares = Shares::default();
        let mut at = |second: u64, next_offset| {
            let groups = [group("audit", next_offset, 10, 0, WorkerState::Live)];
            shares.look(Duration::from_secs(second), &groups, |_| true)
        };
        let still = STILL_FOR.as_secs();
        // It stands still, then moves on; between two looks without one in between much may have happened.
        let seen: Vec<bool> = (0..=still + 60).map(|second| at(second, second.saturating_sub(still))).collect();
        let expected: Vec<bool> = (0..=still + 60).map(|second| (still..still + 60).contains(&second)).collect();
        assert_eq!(seen, expected);
        assert!(!at(still + 3_600, 60), "nobody looked");
    }

    #[test]
    fn one_that_comes_nearer_again_needs_it_no_more() {
        let mut shares = Shares::default();
        // It falls back for 30 s, a hundred records in each, and then comes nearer by one a second.
        let mut at = |second: u64| {
            let left = if second <= 30 { 1_000 + 100 * second } else { 4_030_u64.saturating_sub(second) };
            shares.look(
                Duration::from_secs(second),
                &[group("audit", second, left, 400_000, WorkerState::Live)],
                |_| true,
            )
        };
        let needs: Vec<u64> = (0..300).filter(|second| at(*second)).collect();
        assert!(needs.iter().copied().eq(30..90), "{needs:?}");
    }
}
