//! The intervals of candles. A candle opens at a multiple of its interval since 1970 began, in UTC.

use std::fmt;
use std::str::FromStr;

use orderledger_domain::timestamp::Timestamp;

/// How long a candle takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// One minute.
    Minute,
    /// Five minutes.
    FiveMinutes,
    /// Fifteen minutes.
    FifteenMinutes,
    /// One hour.
    Hour,
    /// One day, from midnight.
    Day,
}

/// The text names no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interval is one of 1m, 5m, 15m, 1h, 1d")]
pub struct UnknownInterval;

impl Interval {
    /// All intervals, the shortest first.
    pub const ALL: [Interval; 5] =
        [Interval::Minute, Interval::FiveMinutes, Interval::FifteenMinutes, Interval::Hour, Interval::Day];

    /// The name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Interval::Minute => "1m",
            Interval::FiveMinutes => "5m",
            Interval::FifteenMinutes => "15m",
            Interval::Hour => "1h",
            Interval::Day => "1d",
        }
    }

    /// The length in microseconds.
    pub const fn micros(self) -> i64 {
        const MINUTE: i64 = 60_000_000;
        match self {
            Interval::Minute => MINUTE,
            Interval::FiveMinutes => 5 * MINUTE,
            Interval::FifteenMinutes => 15 * MINUTE,
            Interval::Hour => 60 * MINUTE,
            Interval::Day => 24 * 60 * MINUTE,
        }
    }

    /// The interval's stable number in stored keys; never reused.
    pub const fn number(self) -> u8 {
        match self {
            Interval::Minute => 1,
            Interval::FiveMinutes => 2,
            Interval::FifteenMinutes => 3,
            Interval::Hour => 4,
            Interval::Day => 5,
        }
    }

    /// When the candle opened that a moment lies in.
    pub fn open_time(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_micros(moment.micros().saturating_sub(moment.micros().rem_euclid(self.micros())))
    }

    /// When the first candle opens that does so at the moment or later.
    pub fn next_open_time(self, moment: Timestamp) -> Timestamp {
        let open = self.open_time(moment);
        if open == moment { open } else { Timestamp::from_micros(open.micros().saturating_add(self.micros())) }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Interval {
    type Err = UnknownInterval;
    fn from_str(text: &str) -> Result<Interval, UnknownInterval> {
        Interval::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or(UnknownInterval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candles_open_at_whole_intervals_of_utc() {
        let at = |text: &str| Timestamp::parse(text).unwrap_or_default();
        for (interval, open, next) in [
            ("1m", "2025-01-15T10:37:00Z", "2025-01-15T10:38:00Z"),
            ("5m", "2025-01-15T10:35:00Z", "2025-01-15T10:40:00Z"),
            ("15m", "2025-01-15T10:30:00Z", "2025-01-15T10:45:00Z"),
            ("1h", "2025-01-15T10:00:00Z", "2025-01-15T11:00:00Z"),
            ("1d", "2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z"),
        ] {
            let interval: Interval = interval.parse().unwrap_or(Interval::Minute);
            let moment = at("2025-01-15T10:37:59.999999Z");
            assert_eq!((interval.open_time(moment), interval.next_open_time(moment)), (at(open), at(next)));
            assert_eq!((interval.open_time(at(open)), interval.next_open_time(at(open))), (at(open), at(open)));
        }
        assert_eq!("2m".parse::<Interval>(), Err(UnknownInterval));
    }
}
