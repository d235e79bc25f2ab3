//! Latencies in microseconds: recorded exactly enough, printed without binary fractions.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longer ones count as this: ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// A collection of latencies, to three significant digits.
#[derive(Clone, Debug)]
pub struct Latencies(Option<Histogram<u64>>);

impl Default for Latencies {
    fn default() -> Latencies {
        // The bounds are valid ones.
        Latencies(Histogram::new_with_bounds(1, MICROS_MAX, 3).ok())
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MICROS_MAX));
        }
    }

    /// Adds all of another collection.
    pub fn add(&mut self, other: &Latencies) {
        if let (Some(histogram), Some(other)) = (&mut self.0, &other.0) {
            // Both have the same bounds, so it can't fail.
            let _ = histogram.add(other);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The latency that so many of a thousand don't exceed, in microseconds.
    pub fn micros(&self, per_mille: u32) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.value_at_quantile(f64::from(per_mille) / 1000.0))
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::max)
    }

    /// p50, p99, p99.9 and the longest as columns.
    pub fn columns(&self) -> String {
        let [p50, p99, p999] = [500, 990, 999].map(|per_mille| millis(self.micros(per_mille)));
        format!("{p50:>10} {p99:>10} {p999:>10} {:>10}", millis(self.max()))
    }

    /// The headings of [`Latencies::columns`].
    pub fn headings() -> String {
        format!("{:>10} {:>10} {:>10} {:>10}", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
    }

    /// The figures for a program.
    pub fn to_json(&self) -> Value {
        json!({
            "count": self.count(),
            "p50Us": self.micros(500),
            "p99Us": self.micros(990),
            "p999Us": self.micros(999),
            "maxUs": self.max(),
        })
    }
}

/// Microseconds as milliseconds with two decimals.
pub fn millis(micros: u64) -> String {
    let hundredths = micros.saturating_add(5) / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// `a / b` with two decimals.
pub fn ratio(a: u64, b: u64) -> String {
    let hundredths = u128::from(a).saturating_mul(100).checked_div(u128::from(b)).unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// How many a second, rounded down.
pub fn per_second(count: u64, within: Duration) -> u64 {
    let rate = u128::from(count).saturating_mul(1_000_000_000) / within.as_nanos().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// A whole number with its thousands apart.
pub fn grouped(number: impl ToString) -> String {
    let text = number.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && whole.len().saturating_sub(index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    fraction.map_or(out.clone(), |fraction| format!("{out}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_plainly() {
        assert_eq!((millis(0), millis(1_234_567), millis(5)), ("0.00".into(), "1234.57".into(), "0.01".into()));
        assert_eq!((ratio(5, 2), ratio(1, 0)), ("2.50".to_owned(), "0.00".to_owned()));
        assert_eq!(per_second(500, Duration::from_millis(250)), 2000);
        for (number, text) in
            [("0", "0"), ("999", "999"), ("1000", "1,000"), ("-1234567.89", "-1,234,567.89"), ("100000", "100,000")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn quantiles_are_of_what_was_recorded() {
        let mut latencies = Latencies::default();
        (1..=100_u64).for_each(|millis| latencies.record(Duration::from_millis(millis)));
        assert_eq!((latencies.count(), latencies.micros(500) / 1000), (100, 50));
        assert!(latencies.micros(990) >= 99_000 && latencies.max() >= 100_000);
    }
}
