//! Whether something grows: the middle of the first third beside that of the last.

use serde_json::{Value, json};

use super::samples::Sample;
use crate::cli::benchmark::median;
use crate::latencies::{grouped, ratio};

/// What a figure was at first and at last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Trend {
    pub(super) what: &'static str,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) least: u64,
    pub(super) most: u64,
}

/// The trends of a run.
pub(super) fn of(samples: &[Sample]) -> Vec<Trend> {
    let disk = |sample: &Sample| sample.disk.checked_div(sample.records).unwrap_or(0);
    vec![
        trend("resident bytes", samples, |sample| sample.resident),
        trend("open files", samples, |sample| sample.files),
        trend("threads", samples, |sample| sample.threads),
        trend("bytes on disk a record", samples, disk),
        trend("rows", samples, |sample| sample.rows),
        trend("resting orders", samples, |sample| sample.resting_orders),
        trend("lag of critical groups, ms", samples, |sample| sample.lag_critical_ms),
        trend("lag of the others, ms", samples, |sample| sample.lag_others_ms),
        trend("answer p99, microseconds", samples, |sample| sample.window.answered.micros(990)),
        trend("read p99, microseconds", samples, |sample| sample.window.read.micros(990)),
    ]
}

fn trend(what: &'static str, samples: &[Sample], figure: impl Fn(&Sample) -> u64) -> Trend {
    let figures: Vec<u64> = samples.iter().map(figure).collect();
    let third = figures.len().div_ceil(3);
    let (least, most) = (figures.iter().copied().min().unwrap_or(0), figures.iter().copied().max().unwrap_or(0));
    let mut first: Vec<u64> = figures.iter().copied().take(third).collect();
    let mut last: Vec<u64> = figures.iter().copied().rev().take(third).collect();
    Trend { what, first: median(&mut first), last: median(&mut last), least, most }
}

/// The headings of [`Trend::line`].
pub(super) const HEADINGS: &str =
    "                              first third     last third     x          least           most\n";

impl Trend {
    pub(super) fn line(&self) -> String {
        let Trend { what, first, last, least, most } = *self;
        let times = ratio(last, first);
        let [first, last, least, most] = [first, last, least, most].map(grouped);
        format!("{what:<26} {first:>14} {last:>14} {times:>5} {least:>14} {most:>14}\n")
    }

    pub(super) fn to_json(self) -> Value {
        let Trend { what, first, last, least, most } = self;
        json!({ "what": what, "first": first, "last": last, "least": least, "most": most })
    }
}
