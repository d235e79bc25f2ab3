//! What is known of the partitions without asking the brokers: their ends, and when records were appended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use orderledger_domain::position::{Topic, TopicPartition};

/// How many append times are remembered of a partition, at most.
const TIMES: usize = 1024;
/// Those that lie closer together than this part of how long ago they were become one when there are too many.
const PART_OF_AGE: i64 = 32;
/// Append times closer together than this are one, in milliseconds.
const GRAIN_MS: i64 = 10;

/// The ends and append times of all partitions, as acknowledgements, readers and statistics tell them.
pub(super) struct Known {
    partitions: u32,
    lanes: Vec<Lane>,
}

#[derive(Default)]
struct Lane {
    end: AtomicU64,
    /// Offset and append time, both ascending.
    times: Mutex<VecDeque<(u64, i64)>>,
}

impl Known {
    /// Nothing known of topics with so many partitions.
    pub(super) fn new(partitions: u32) -> Known {
        let lanes = Topic::ALL.iter().flat_map(|_| 0..partitions).map(|_| Lane::default()).collect();
        Known { partitions, lanes }
    }

    fn lane(&self, of: TopicPartition) -> Option<&Lane> {
        let topic = usize::from(of.topic.number());
        let partition = usize::try_from(of.partition).ok().filter(|_| of.partition < self.partitions)?;
        let per_topic = usize::try_from(self.partitions).ok()?;
        self.lanes.get(topic.checked_mul(per_topic)?.checked_add(partition)?)
    }

    /// The partition ends at least there.
    pub(super) fn ends(&self, of: TopicPartition, end: u64) {
        if let Some(lane) = self.lane(of) {
            lane.end.fetch_max(end, Ordering::AcqRel);
        }
    }

    /// The partition was seen to end there, at that time. What stands below the end and was not known before, by a writer
    /// elsewhere, was appended shortly before, as far as anybody can tell until a reader gets it.
    pub(super) fn seen_to_end(&self, of: TopicPartition, end: u64, at_ms: i64) {
        let Some(lane) = self.lane(of) else { return };
        let known = lane.end.load(Ordering::Acquire);
        // Of what stood there before anything was known the time has to be read.
        if known > 0 && end > known {
            self.appended(of, known, at_ms);
        }
        lane.end.fetch_max(end, Ordering::AcqRel);
    }

    /// A record stands there and was appended then. Told before the end that counts it.
    pub(super) fn appended(&self, of: TopicPartition, offset: u64, at_ms: i64) {
        let Some(lane) = self.lane(of) else { return };
        let mut times = lane.times.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |(last, time): &(u64, i64)| offset > *last && at_ms.saturating_sub(*time) >= GRAIN_MS;
        if times.back().is_none_or(newer) {
            times.push_back((offset, at_ms));
            if times.len() > TIMES {
                thin_out(&mut times, at_ms);
            }
        }
    }

    /// The highest end known; 0 if nothing is.
    pub(super) fn end(&self, of: TopicPartition) -> u64 {
        self.lane(of).map_or(0, |lane| lane.end.load(Ordering::Acquire))
    }

    /// The append time of the newest remembered record at or below `offset`.
    pub(super) fn time_at(&self, of: TopicPartition, offset: u64) -> Option<i64> {
        let times = self.lane(of)?.times.lock().unwrap_or_else(PoisonError::into_inner);
        let above = times.partition_point(|(at, _)| *at <= offset);
        above.checked_sub(1).and_then(|place| times.get(place)).map(|(_, time)| *time)
    }
}

/// Forgets times of long ago that lie close together, measured by how long ago they are.
fn thin_out(times: &mut VecDeque<(u64, i64)>, now_ms: i64) {
    let mut last = i64::MIN;
    times.retain(|(_, time)| {
        let stays = time.saturating_sub(last) >= now_ms.saturating_sub(*time) / PART_OF_AGE;
        if stays {
            last = *time;
        }
        stays
    });
    if times.len() > TIMES {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: TopicPartition = TopicPartition { topic: Topic::Trades, partition: 1 };

    #[test]
    fn ends_only_grow_and_belong_to_one_partition() {
        let known = Known::new(2);
        known.ends(AT, 7);
        known.ends(AT, 5);
        assert_eq!((known.end(AT), known.end(Topic::Trades.at(0)), known.end(Topic::Orders.at(1))), (7, 0, 0));
        known.ends(Topic::Trades.at(2), 9);
        assert_eq!(known.end(Topic::Trades.at(2)), 0);
    }

    #[test]
    fn what_others_wrote_after_a_long_pause_has_just_been_written() {
        let known = Known::new(2);
        known.seen_to_end(AT, 4, 500);
        assert_eq!(known.time_at(AT, 3), None);
        known.appended(AT, 4, 1000);
        known.ends(AT, 5);
        known.seen_to_end(AT, 5, 3_000_000);
        assert_eq!(known.time_at(AT, 5), Some(1000));
        known.seen_to_end(AT, 7, 3_600_000);
        assert_eq!((known.end(AT), known.time_at(AT, 5)), (7, Some(3_600_000)));
    }

    #[test]
    fn the_past_is_remembered_less_and_less_exactly_but_as_a_whole() {
        let known = Known::new(2);
        let end = 1_000_000_u32;
        (0..end).for_each(|n| known.appended(AT, u64::from(n), i64::from(n) * GRAIN_MS));
        assert!(known.lane(AT).is_some_and(|lane| lane.times.lock().is_ok_and(|times| times.len() <= TIMES)));
        for ago in [1, 100, 10_000, end / 2, end - 1] {
            let (offset, appended) = (u64::from(end - ago), i64::from(end - ago) * GRAIN_MS);
            let error = appended - known.time_at(AT, offset).unwrap_or(i64::MIN / 2);
            assert!((0..=i64::from(ago) * GRAIN_MS / 8 + GRAIN_MS).contains(&error), "{ago}: {error}");
        }
    }

    #[test]
    fn a_time_is_never_of_a_later_record() {
        let known = Known::new(2);
        for (offset, time) in [(10, 1000), (11, 1005), (20, 1050), (15, 2000), (21, 1040)] {
            known.appended(AT, offset, time);
        }
        let times = [9, 10, 19, 20, 99].map(|offset| known.time_at(AT, offset));
        assert_eq!(times, [None, Some(1000), Some(1000), Some(1050), Some(1050)]);
    }
}
