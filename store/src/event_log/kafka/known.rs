//! What is known of the partitions without asking the brokers: their ends, and when records were appended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    /// Where the partition ended when it was first heard of, and when that was: of all that came later the time was told.
    since: Option<(u64, i64)>,
    /// Offset and append time, both ascending.
    points: VecDeque<(u64, i64)>,
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
        let mut times = lane.times();
        let known = lane.end.load(Ordering::Acquire);
        // What stood there before anything was known may be of any time.
        if times.since.is_none() {
            times.since = Some((end, at_ms));
        } else if end > known {
            times.remember(known, at_ms);
        }
        lane.end.fetch_max(end, Ordering::AcqRel);
    }

    /// A record stands there and was appended then: what was written or handed to a reader. Told before the end that counts it.
    pub(super) fn appended(&self, of: TopicPartition, offset: u64, at_ms: i64) {
        let Some(lane) = self.lane(of) else { return };
        let mut times = lane.times();
        let (since, _) = *times.since.get_or_insert((offset, at_ms));
        // Those between the known end and this one are a writer's elsewhere.
        let end = lane.end.load(Ordering::Acquire).max(since);
        times.remember(offset.min(end), at_ms);
    }

    /// A record was found to stand there, appended then, wherever that is.
    pub(super) fn found(&self, of: TopicPartition, offset: u64, at_ms: i64) {
        if let Some(lane) = self.lane(of) {
            lane.times().remember(offset, at_ms);
        }
    }

    /// The highest end known; 0 if nothing is.
    pub(super) fn end(&self, of: TopicPartition) -> u64 {
        self.lane(of).map_or(0, |lane| lane.end.load(Ordering::Acquire))
    }

    /// The append time of the record there or of one shortly before it; none of what stood there before anything was known.
    pub(super) fn time_at(&self, of: TopicPartition, offset: u64) -> Option<i64> {
        let times = self.lane(of)?.times();
        times.since.filter(|(since, _)| offset >= *since)?;
        times.newest_at(offset)
    }

    /// When the newest remembered record at or below `offset` was appended, however far below that is; where none is, when the
    /// partition was first heard of.
    pub(super) fn not_before(&self, of: TopicPartition, offset: u64) -> Option<i64> {
        let times = self.lane(of)?.times();
        times.newest_at(offset).or(times.since.map(|(_, at_ms)| at_ms))
    }
}

impl Lane {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn newest_at(&self, offset: u64) -> Option<i64> {
        let above = self.points.partition_point(|(at, _)| *at <= offset);
        above.checked_sub(1).and_then(|place| self.points.get(place)).map(|(_, time)| *time)
    }

    /// Remembers it unless one shortly before it is; of long ago that is less shortly.
    fn remember(&mut self, offset: u64, at_ms: i64) {
        let place = self.points.partition_point(|(at, _)| *at <= offset);
        // Clocks that are set back don't make later records older.
        if self.points.get(place).is_some_and(|(_, time)| *time < at_ms) {
            return;
        }
        let now_ms = self.points.back().map_or(at_ms, |(_, time)| at_ms.max(*time));
        let apart = GRAIN_MS.max(now_ms.saturating_sub(at_ms) / PART_OF_AGE);
        let before = place.checked_sub(1).and_then(|place| self.points.get(place));
        if before.is_none_or(|(at, time)| offset > *at && at_ms.saturating_sub(*time) >= apart) {
            self.points.insert(place, (offset, at_ms));
            if self.points.len() > TIMES {
                self.thin_out(now_ms);
            }
        }
    }

    /// Forgets times of long ago that lie close together, measured by how long ago they are.
    fn thin_out(&mut self, now_ms: i64) {
        let mut last = i64::MIN;
        self.points.retain(|(_, time)| {
            let stays = time.saturating_sub(last) >= now_ms.saturating_sub(*time) / PART_OF_AGE;
            if stays {
                last = *time;
            }
            stays
        });
        if self.points.len() > TIMES {
            self.points.pop_front();
        }
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
        assert_eq!((known.time_at(AT, 3), known.not_before(AT, 3)), (None, Some(500)));
        known.appended(AT, 4, 1000);
        known.ends(AT, 5);
        known.seen_to_end(AT, 5, 3_000_000);
        assert_eq!(known.time_at(AT, 5), Some(1000));
        known.seen_to_end(AT, 7, 3_600_000);
        assert_eq!((known.end(AT), known.time_at(AT, 5)), (7, Some(3_600_000)));
        // Ours is acknowledged before anything else tells of theirs.
        known.appended(AT, 9, 7_200_000);
        known.ends(AT, 10);
        assert_eq!(known.time_at(AT, 7), Some(7_200_000));
    }

    #[test]
    fn of_what_stood_there_before_as_much_is_said_as_was_found_below() {
        let known = Known::new(2);
        known.seen_to_end(AT, 1000, 90_000);
        known.appended(AT, 1000, 100_000);
        known.ends(AT, 1001);
        let at = |offset| (known.time_at(AT, offset), known.not_before(AT, offset));
        assert_eq!(at(500), (None, Some(90_000)), "it stood there by then");
        known.found(AT, 0, 10_000);
        assert_eq!(at(500), (None, Some(10_000)), "the first one");
        known.found(AT, 499, 60_000);
        assert_eq!(at(500), (None, Some(60_000)), "the last one that was passed");
        known.appended(AT, 500, 70_000);
        assert_eq!(at(500), (None, Some(70_000)), "it itself, as a reader has it");
        assert_eq!(at(499), (None, Some(60_000)));
        assert_eq!(at(1000), (Some(100_000), Some(100_000)));
    }

    #[test]
    fn those_who_catch_up_leave_few_times_behind() {
        let known = Known::new(2);
        let (day, end) = (86_400_000_i64, 1_000_000_u64);
        known.seen_to_end(AT, end, day);
        known.appended(AT, end, day);
        let time = |offset: u64| day / 1_000_000 * i64::try_from(offset).unwrap_or(0);
        (0..end).step_by(100).for_each(|offset| known.appended(AT, offset, time(offset)));
        let points = known.lane(AT).map(|lane| lane.times().points.len());
        assert!(points.is_some_and(|points| points <= TIMES), "{points:?}");
        for offset in [0, 1_000, end / 2, end - 1_000, end - 100] {
            let error = time(offset) - known.not_before(AT, offset).unwrap_or(i64::MIN / 2);
            assert!((0..=(day - time(offset)) / 16).contains(&error), "{offset}: {error}");
        }
    }

    #[test]
    fn the_past_is_remembered_less_and_less_exactly_but_as_a_whole() {
        let known = Known::new(2);
        let end = 1_000_000_u32;
        for n in 0..end {
            known.appended(AT, u64::from(n), i64::from(n) * GRAIN_MS);
            known.ends(AT, u64::from(n) + 1);
        }
        assert!(known.lane(AT).is_some_and(|lane| lane.times().points.len() <= TIMES));
        for ago in [1, 100, 10_000, end / 2, end - 1] {
            let (offset, appended) = (u64::from(end - ago), i64::from(end - ago) * GRAIN_MS);
            let error = appended - known.time_at(AT, offset).unwrap_or(i64::MIN / 2);
            assert!((0..=i64::from(ago) * GRAIN_MS / 8 + GRAIN_MS).contains(&error), "{ago}: {error}");
        }
    }

    #[test]
    fn a_time_is_never_of_a_later_record() {
        let known = Known::new(2);
        known.ends(AT, 22);
        for (offset, time) in [(10, 1000), (11, 1005), (20, 1050), (15, 2000), (21, 1040)] {
            known.appended(AT, offset, time);
        }
        let times = [9, 10, 19, 20, 99].map(|offset| known.time_at(AT, offset));
        assert_eq!(times, [None, Some(1000), Some(1000), Some(1050), Some(1050)]);
    }
}
