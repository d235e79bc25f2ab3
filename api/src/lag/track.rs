//! How a reader of one partition has moved in the last seconds: its rate, and whether it stands still.

use std::collections::VecDeque;
use std::time::Duration;

/// Rates are those of so long.
const WINDOW: Duration = Duration::from_secs(10);
/// So long lies between two samples, at least.
const EVERY: Duration = Duration::from_millis(250);
/// A rate of less than this says nothing.
const SHORTEST: Duration = Duration::from_millis(500);

/// A reader's offset and the end of the partition, at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    next_offset: u64,
    end: u64,
}

/// One reader's way in one partition.
#[derive(Debug, Default)]
pub(super) struct Track {
    samples: VecDeque<Sample>,
    /// Where it stands, and since when; if it has nothing to read it doesn't stand still.
    stands: Option<(u64, Duration)>,
}

/// How a reader moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    /// Offsets passed a second.
    pub(crate) per_second: f64,
    /// How long until it is at the end if it and the log go on like this; none if it never will be, or nobody knows.
    pub(crate) eta: Option<Duration>,
    /// For how long it has had something to read and has not moved.
    pub(crate) still_for: Duration,
}

impl Track {
    /// Takes a look at the reader, at a time that never goes back. `waits` if there is a record that it could read.
    pub(super) fn look(&mut self, at: Duration, next_offset: u64, end: u64, waits: bool) -> Pace {
        self.stands = match self.stands {
            _ if !waits => None,
            Some((offset, since)) if offset == next_offset => Some((offset, since)),
            _ => Some((next_offset, at)),
        };
        let now = Sample { at, next_offset, end };
        if self.samples.back().is_none_or(|last| at.saturating_sub(last.at) >= EVERY) {
            self.samples.push_back(now);
        }
        while self.samples.front().is_some_and(|first| at.saturating_sub(first.at) > WINDOW) {
            self.samples.pop_front();
        }
        let still_for = self.stands.map_or(Duration::ZERO, |(_, since)| at.saturating_sub(since));
        let (per_second, eta) = self.samples.front().map_or((0.0, None), |first| between(*first, now));
        Pace { per_second, eta, still_for }
    }

    /// Whether it stands elsewhere than when it was looked at last.
    pub(super) fn has_moved_to(&self, next_offset: u64) -> bool {
        self.samples.back().is_some_and(|last| last.next_offset != next_offset)
    }
}

fn between(first: Sample, now: Sample) -> (f64, Option<Duration>) {
    let left = now.end.saturating_sub(now.next_offset);
    let took = now.at.saturating_sub(first.at);
    let rate =
        |from: u64, to: u64| if took < SHORTEST { 0.0 } else { float(to.saturating_sub(from)) / took.as_secs_f64() };
    let per_second = rate(first.next_offset, now.next_offset);
    let gains = per_second - rate(first.end, now.end);
    let eta = match left {
        0 => Some(Duration::ZERO),
        left if gains > 0.0 => Duration::try_from_secs_f64(float(left) / gains).ok(),
        _ => None,
    };
    (per_second, eta)
}

#[expect(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks four times a second at a reader and an end that move so many offsets each time.
    fn after(seconds: u64, moves: u64, grows: u64, behind: u64) -> Pace {
        let mut track = Track::default();
        let mut pace = Pace::default();
        for tick in 0..=4 * seconds {
            let (next_offset, end) = (tick * moves, behind + tick * grows);
            pace = track.look(Duration::from_millis(250 * tick), next_offset, end, end > next_offset);
        }
        pace
    }

    #[test]
    fn a_slow_reader_moves_and_a_frozen_one_does_not() {
        let (slow, frozen) = (after(60, 1, 10, 1000), after(60, 0, 10, 1000));
        assert_eq!((slow.per_second, slow.still_for, slow.eta), (4.0, Duration::ZERO, None));
        assert_eq!((frozen.per_second, frozen.still_for, frozen.eta), (0.0, Duration::from_secs(60), None));
    }

    #[test]
    fn one_that_has_nothing_to_read_is_not_frozen_however_long_it_waits() {
        assert_eq!(after(60, 0, 0, 0), Pace { per_second: 0.0, eta: Some(Duration::ZERO), still_for: Duration::ZERO });
    }

    #[test]
    fn the_time_until_the_end_counts_what_comes_meanwhile() {
        // 40 offsets a second, 20 of them new: it gains 20 a second, and 1,000 - 20 s × 20 are left.
        let pace = after(20, 10, 5, 1000);
        assert_eq!((pace.per_second, pace.eta), (40.0, Some(Duration::from_secs(30))));
    }

    #[test]
    fn a_reader_that_was_set_back_moves() {
        let mut track = Track::default();
        track.look(Duration::ZERO, 90, 100, true);
        let pace = track.look(Duration::from_secs(20), 5, 100, true);
        assert_eq!((pace.still_for, pace.per_second), (Duration::ZERO, 0.0));
    }
}
