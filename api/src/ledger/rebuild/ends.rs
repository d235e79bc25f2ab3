//! Up to where several fold that go through the log together, and end at different places.

use orderledger_projections::rebuild::pass::Ends;

use super::following::NEAR;

/// Raises them in each partition to where the first of those that read it ends: nobody comes past where it ends.
pub(super) fn raise_to_the_lowest<'a>(ends: &mut Ends, of_each: impl IntoIterator<Item = &'a Ends>) {
    let mut lowest = Ends::new();
    for (of, end) in of_each.into_iter().flatten() {
        let lowest = lowest.entry(*of).or_insert(*end);
        *lowest = (*end).min(*lowest);
    }
    for (of, end) in lowest {
        let raised = ends.entry(of).or_insert(end);
        *raised = end.max(*raised);
    }
}

/// Offsets from there to where one ends.
pub(super) fn left(from: &Ends, end: &Ends) -> u64 {
    end.iter().map(|(of, end)| end.saturating_sub(from.get(of).copied().unwrap_or(0))).sum()
}

/// Who goes no further than that: those that have little left, or where each has more, one in this partition and one in that, those that have least.
pub(super) fn leave<'a>(from: &Ends, of_each: impl IntoIterator<Item = &'a Ends>) -> Vec<bool> {
    let left: Vec<u64> = of_each.into_iter().map(|end| left(from, end)).collect();
    let least = left.iter().copied().min().unwrap_or(0);
    left.into_iter().map(|left| left <= least.max(NEAR)).collect()
}

#[cfg(test)]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    /// Of one topic's partitions in their order.
    fn ends<const COUNT: usize>(offsets: [u64; COUNT]) -> Ends {
        (0..).map(|partition| Topic::Orders.at(partition)).zip(offsets).collect()
    }

    #[test]
    fn those_that_are_far_behind_leave_and_the_others_go_on_to_where_they_end() {
        let (behind, further, live) = (ends([10_000, 20_000]), ends([50_000, 60_000]), ends([90_000, 90_000]));
        let mut at = Ends::new();
        raise_to_the_lowest(&mut at, [&live, &behind, &further]);
        assert_eq!((&at, left(&at, &live)), (&behind, 150_000));
        assert_eq!(leave(&at, [&live, &behind, &further]), [false, true, false]);
        raise_to_the_lowest(&mut at, [&live, &further]);
        assert_eq!(leave(&at, [&live, &further]), [false, true]);
        raise_to_the_lowest(&mut at, [&live]);
        assert_eq!((&at, left(&at, &live)), (&live, 0));
        assert_eq!(leave(&at, [&live]), [true]);
    }

    #[test]
    fn nobody_comes_past_where_it_ends_and_where_none_is_near_who_has_least_left_leaves() {
        let (one, other) = (ends([10_000, 90_000]), ends([90_000, 10_000]));
        let mut at = Ends::new();
        raise_to_the_lowest(&mut at, [&one, &other]);
        assert_eq!(at, ends([10_000, 10_000]));
        assert_eq!(leave(&at, [&one, &other]), [true, true]);
        let further = ends([90_001, 90_000]);
        assert_eq!(leave(&at, [&one, &further, &other]), [true, false, true]);
        let near = ends([10_000, 10_000 + NEAR]);
        assert_eq!(leave(&at, [&one, &near]), [false, true]);
    }

    #[test]
    fn what_nobody_reads_any_more_stays_where_it_was() {
        let mut at = ends([10, 20]);
        raise_to_the_lowest(&mut at, [&ends([5]), &ends([30])]);
        assert_eq!(at, ends([10, 20]));
        raise_to_the_lowest(&mut at, []);
        assert_eq!(at, ends([10, 20]));
    }
}
