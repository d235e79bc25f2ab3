//! A moment in UTC, in microseconds since 1970, read and written as RFC 3339.

use std::fmt;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microsecond resolution, from 1970 to 9999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const YEAR_10000: i64 = 253_402_300_800_000_000;

impl Timestamp {
    /// The moment that many microseconds after 1970 began; clamped into 1970..10000.
    pub fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros.clamp(0, YEAR_10000.saturating_sub(1)))
    }

    /// The moment that many milliseconds after 1970 began.
    pub fn from_millis(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis.saturating_mul(1000))
    }

    /// Microseconds since 1970 began.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970 began, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `seconds` later.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    /// Reads RFC 3339 (`2025-01-15T10:30:00Z`); an offset is converted to UTC; below a microsecond it is cut.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let moment = DateTime::parse_from_rfc3339(text).ok()?;
        let micros = moment.timestamp_micros();
        (0..YEAR_10000).contains(&micros).then_some(Timestamp(micros))
    }
}

/// A day of UTC, from 1970-01-01 to 9999-12-31, read and written as `2025-01-15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

const DAY_MICROS: i64 = 86_400_000_000;

impl Timestamp {
    /// The day of UTC that it lies in.
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(DAY_MICROS))
    }
}

impl Day {
    /// The day that many days after 1970-01-01, if it is one.
    pub fn from_number(number: i64) -> Option<Day> {
        number.checked_mul(DAY_MICROS).filter(|micros| (0..YEAR_10000).contains(micros)).map(|_| Day(number))
    }

    /// How many days after 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// When it begins.
    pub fn begin(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(DAY_MICROS))
    }

    /// When it is over: midnight, the first moment that isn't in it.
    pub fn end(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_add(1).saturating_mul(DAY_MICROS))
    }

    /// Reads `2025-01-15`: four digits, two and two.
    pub fn parse(text: &str) -> Option<Day> {
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| plain)?;
        let midnight = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros();
        (0..YEAR_10000).contains(&midnight).then(|| Timestamp(midnight).day())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight: DateTime<Utc> =
            DateTime::from_timestamp_micros(self.0.saturating_mul(DAY_MICROS)).unwrap_or_default();
        write!(f, "{}", midnight.format("%Y-%m-%d"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment: DateTime<Utc> = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Timestamp::from_micros);
        }
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom("timestamp must be RFC 3339 between 1970 and 9999"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_name_and_begins_at_midnight() {
        for text in ["1970-01-01", "2024-02-29", "2025-01-15", "9999-12-31"] {
            assert_eq!(Day::parse(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        for text in ["", "2025-1-15", "2025-02-29", "1969-12-31", "+025-01-15", "2025-01-15Z", "20250115", "2025-13-01"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        let day = |text: &str| Timestamp::parse(text).map(|time| time.day().to_string());
        assert_eq!(day("2025-01-15T23:59:59.999999Z").as_deref(), Some("2025-01-15"));
        assert_eq!(day("2025-01-15T23:30:00-01:00").as_deref(), Some("2025-01-16"));
        assert!(Day::parse("2025-01-15") < Day::parse("2025-02-01"));
        let number = |text: &str| Day::parse(text).map(Day::number);
        assert_eq!(["1970-01-01", "1970-02-01", "9999-12-31"].map(number), [Some(0), Some(31), Some(2_932_896)]);
        assert_eq!(
            [-1, 31, 2_932_896, 2_932_897, i64::MAX].map(|number| Day::from_number(number).map(Day::number)),
            [None, Some(31), Some(2_932_896), None, None]
        );
        let edges = Day::parse("2025-01-15").map(|day| (day.begin().to_string(), day.end().to_string()));
        assert_eq!(edges, Some(("2025-01-15T00:00:00Z".to_owned(), "2025-01-16T00:00:00Z".to_owned())));
    }

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, written) in [
            ("2025-01-15T10:30:00Z", Some("2025-01-15T10:30:00Z")),
            ("2025-01-15T10:30:00.120Z", Some("2025-01-15T10:30:00.120Z")),
            ("2025-01-15T11:30:00.000001+01:00", Some("2025-01-15T10:30:00.000001Z")),
            ("2025-01-15 10:30", None),
            ("1969-12-31T23:59:59Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(|moment| moment.to_string()).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn what_lies_outside_of_1970_to_9999_is_moved_to_its_edge() {
        let last = YEAR_10000 - 1;
        assert_eq!(
            [-1, 0, 7, last, last + 1].map(|micros| Timestamp::from_micros(micros).micros()),
            [0, 0, 7, last, last]
        );
        assert_eq!((Timestamp::from_millis(12).micros(), Timestamp::from_micros(12_999).millis()), (12_000, 12));
        let moment = Timestamp::from_micros(5_000_001);
        assert_eq!((moment.plus_seconds(3).micros(), moment.plus_seconds(-6).micros()), (8_000_001, 0));
    }

    #[test]
    fn a_moment_stands_in_json_as_rfc_3339() {
        let moment = Timestamp::from_millis(1_736_937_000_000);
        assert_eq!(serde_json::to_string(&moment).ok().as_deref(), Some("\"2025-01-15T10:30:00Z\""));
        assert_eq!(serde_json::from_str::<Timestamp>("\"2025-01-15T10:30:00Z\"").ok(), Some(moment));
        assert!(serde_json::from_str::<Timestamp>("1736937000000").is_err());
    }
}
