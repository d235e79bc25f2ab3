//! The newest records of partitions, read backwards.

use orderledger_domain::position::TopicPartition;

use super::Seen;
use crate::cli::Failure;

/// How many offsets are looked at first; then twice as many, and so on.
const STRETCH: u64 = 1000;

/// The newest `count` of one partition below `end`, by a way to read what fits of a stretch of offsets.
pub(super) fn of_partition(
    (first, end): (u64, u64),
    count: usize,
    mut read: impl FnMut(u64, u64) -> Result<Vec<Seen>, Failure>,
) -> Result<Vec<Seen>, Failure> {
    let (mut found, mut to, mut stretch) = (Vec::new(), end, STRETCH);
    while to > first && found.len() < count {
        let from = to.saturating_sub(stretch).max(first);
        let mut before = read(from, to)?;
        before.append(&mut found);
        found = before;
        (to, stretch) = (from, stretch.saturating_mul(2));
    }
    Ok(found.split_off(found.len().saturating_sub(count)))
}

/// The newest `count` of all of these, in the order they were appended.
pub(super) fn of_all(mut found: Vec<Seen>, count: usize) -> Vec<Seen> {
    let place = |(of, record): &Seen| (record.recorded_at_ms, TopicPartition::clone(of), record.offset);
    found.sort_by_key(place);
    found.split_off(found.len().saturating_sub(count))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_store::event_log::Record;

    use super::*;

    fn seen(partition: u32, offset: u64, recorded_at_ms: i64) -> Seen {
        (Topic::Orders.at(partition), Record { offset, recorded_at_ms, key: None, value: None, headers: Vec::new() })
    }

    #[test]
    fn it_goes_back_as_far_as_it_must() {
        // Every 700th record fits.
        let mut asked = Vec::new();
        let found = of_partition((0, 10_000), 5, |from, to| {
            asked.push((from, to));
            Ok((from..to).filter(|offset| offset % 700 == 0).map(|offset| seen(0, offset, 0)).collect())
        });
        let offsets: Vec<u64> = found.unwrap().iter().map(|(_, record)| record.offset).collect();
        assert_eq!(offsets, [7000, 7700, 8400, 9100, 9800]);
        assert_eq!(asked, [(9000, 10_000), (7000, 9000)]);
        let none = of_partition((5, 9), 3, |from, to| {
            assert_eq!((from, to), (5, 9));
            Ok(Vec::new())
        });
        assert!(none.unwrap().is_empty());
    }

    #[test]
    fn partitions_are_put_together_by_time() {
        let found = of_all(vec![seen(0, 1, 5), seen(0, 2, 9), seen(1, 4, 5), seen(1, 5, 7)], 3);
        assert_eq!(found, [seen(1, 4, 5), seen(1, 5, 7), seen(0, 2, 9)]);
    }
}
