//! The breaker: too many entities parked by live records stop the worker, instead of emptying the topic into the queues.
//!
//! One odd record parks one entity. A program that can't apply a whole kind of record would park everybody; then it is
//! better to stop, fix the program and go on, with nothing parked.

use std::collections::VecDeque;

/// Records of which the ratio is taken.
const WINDOW: usize = 1000;
/// The ratio counts from so many records on.
const TRIED_MIN: usize = 100;

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many entities parked one after the other, without a record of any being applied between, those included that waited.
    pub consecutive: u32,
    /// More than so many percent of the last 1,000 records tried.
    pub ratio_percent: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { consecutive: 20, ratio_percent: 10 }
    }
}

/// Counts derived records of entities that were tried for the first time. Without limits it never trips.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    limits: Option<Limits>,
    consecutive: u32,
    tried: VecDeque<bool>,
    failed: usize,
}

impl Breaker {
    /// A breaker where the last so many records failed.
    pub(crate) fn new(consecutive: u32) -> Breaker {
        Breaker { consecutive, ..Breaker::default() }
    }

    /// From now on it trips.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.limits = Some(limits);
    }

    /// How many of the last records failed, one after the other.
    pub(crate) const fn consecutive(&self) -> u32 {
        self.consecutive
    }

    /// A record was applied.
    pub(crate) fn succeeded(&mut self) {
        self.consecutive = 0;
        self.count(false);
    }

    /// A derived record that waited was applied: the program can do what it couldn't.
    pub(crate) const fn released(&mut self) {
        self.consecutive = 0;
    }

    /// A record couldn't be applied. If that is one too many: what happened, in words.
    pub(crate) fn failed(&mut self) -> Option<String> {
        self.consecutive = self.consecutive.saturating_add(1);
        self.count(true);
        let Limits { consecutive, ratio_percent } = self.limits?;
        if self.consecutive >= consecutive {
            return Some(format!("{} entities in a row had a record that can't be applied", self.consecutive));
        }
        let allowed = self.tried.len().saturating_mul(usize::try_from(ratio_percent).unwrap_or(usize::MAX));
        if self.tried.len() >= TRIED_MIN && self.failed.saturating_mul(100) > allowed {
            return Some(format!("{} of the last {} records can't be applied", self.failed, self.tried.len()));
        }
        None
    }

    fn count(&mut self, failed: bool) {
        if self.limits.is_none() {
            return;
        }
        if self.tried.len() >= WINDOW && self.tried.pop_front() == Some(true) {
            self.failed = self.failed.saturating_sub(1);
        }
        self.tried.push_back(failed);
        self.failed = self.failed.saturating_add(usize::from(failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(consecutive: u32, ratio_percent: u32) -> Breaker {
        let mut breaker = Breaker::new(0);
        breaker.limit(Limits { consecutive, ratio_percent });
        breaker
    }

    #[test]
    fn so_many_in_a_row_trip_it_and_one_success_begins_anew() {
        let mut breaker = breaker(3, 100);
        assert_eq!((breaker.failed(), breaker.failed()), (None, None));
        breaker.succeeded();
        assert_eq!((breaker.failed(), breaker.failed()), (None, None));
        breaker.released();
        assert_eq!((breaker.failed(), breaker.failed()), (None, None));
        let words = "3 entities in a row had a record that can't be applied";
        assert_eq!(breaker.failed().as_deref(), Some(words));
    }

    #[test]
    fn the_failures_before_a_restart_count() {
        let mut breaker = Breaker::new(2);
        breaker.limit(Limits { consecutive: 3, ratio_percent: 100 });
        assert!(breaker.failed().is_some());
    }

    #[test]
    fn more_than_the_ratio_of_enough_records_trips_it() {
        let mut breaker = breaker(1000, 10);
        for _ in 0..10 {
            assert_eq!(breaker.failed(), None);
        }
        (0..89).for_each(|_| breaker.succeeded());
        assert_eq!(breaker.failed().as_deref(), Some("11 of the last 100 records can't be applied"));
    }

    #[test]
    fn failures_of_long_ago_are_forgotten() {
        let mut breaker = breaker(1000, 10);
        for _ in 0..100 {
            (0..9).for_each(|_| breaker.succeeded());
            assert_eq!(breaker.failed(), None);
        }
        (0..1000).for_each(|_| breaker.succeeded());
        assert_eq!(breaker.failed, 0);
    }

    #[test]
    fn without_limits_it_never_trips() {
        let mut breaker = Breaker::new(0);
        assert!((0..10_000).all(|_| breaker.failed().is_none()));
    }

    #[test]
    fn too_few_records_have_no_ratio_and_the_oldest_leaves_as_the_newest_comes() {
        let mut breaker = breaker(1000, 0);
        (0..98).for_each(|_| breaker.succeeded());
        assert_eq!((breaker.failed(), breaker.consecutive()), (None, 1));
        assert_eq!(breaker.failed().as_deref(), Some("2 of the last 100 records can't be applied"));
        assert_eq!(breaker.consecutive(), 2);
        (0..899).for_each(|_| breaker.succeeded());
        assert_eq!(breaker.failed().as_deref(), Some("3 of the last 1000 records can't be applied"));
        (0..98).for_each(|_| breaker.succeeded());
        assert_eq!(
            breaker.failed().as_deref(),
            Some("3 of the last 1000 records can't be applied"),
            "one left, one came"
        );
    }
}
