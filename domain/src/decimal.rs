//! Exact decimals: integers of 1/10000, read and written as text, never through binary floating point.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::value::RawValue;

/// How many units make one whole: 1/10000 is the smallest amount.
pub const SCALE: i128 = 10_000;

/// Why a text is no decimal of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not ASCII digits with perhaps a point and 1-4 digits.
    #[error("must be ASCII digits, perhaps a point and 1 to 4 digits, without sign, exponent, spaces or leading zeros")]
    Malformed,
    /// Outside the bounds of the field.
    #[error("is out of range")]
    OutOfRange,
}

/// Reads a plain decimal into units of 1/10000. `150.25` and `150.2500` are equal; `4.00001` is malformed.
pub fn parse_units(text: &str) -> Result<i128, DecimalError> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let fraction_digits = fraction.map_or(0, str::len);
    if fraction.is_some() && !(1..=4).contains(&fraction_digits) {
        return Err(DecimalError::Malformed);
    }
    let units = parse_digits(whole)?.checked_mul(SCALE).ok_or(DecimalError::OutOfRange)?;
    let Some(fraction) = fraction else { return Ok(units) };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    let mut part: i128 = 0;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(4) {
        part = part.saturating_mul(10).saturating_add(i128::from(digit.saturating_sub(b'0')));
    }
    units.checked_add(part).ok_or(DecimalError::OutOfRange)
}

/// Reads a plain whole number: ASCII digits without leading zeros.
pub fn parse_digits(text: &str) -> Result<i128, DecimalError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(DecimalError::Malformed);
    }
    const FIT_64_BITS: usize = 18;
    if text.len() <= FIT_64_BITS {
        return text.parse::<u64>().map(i128::from).map_err(|_| DecimalError::OutOfRange);
    }
    if text.len() > 30 {
        return Err(DecimalError::OutOfRange);
    }
    text.parse().map_err(|_| DecimalError::OutOfRange)
}

/// n / d, a half to the even neighbour; 0 where d is 0.
pub fn divide_half_even(n: i128, d: u128) -> i128 {
    let magnitude = n.unsigned_abs();
    let (Some(quotient), Some(rest)) = (magnitude.checked_div(d), magnitude.checked_rem(d)) else { return 0 };
    let up = match rest.cmp(&d.saturating_sub(rest)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => quotient & 1,
        std::cmp::Ordering::Greater => 1,
    };
    let rounded = i128::try_from(quotient.saturating_add(up)).unwrap_or(i128::MAX);
    if n < 0 { rounded.saturating_neg() } else { rounded }
}

/// Writes units of 1/10000 as the shortest plain decimal: `150.25`, `100`, `-0.0001`.
pub fn write_units(units: i128, f: &mut impl fmt::Write) -> fmt::Result {
    if units < 0 {
        f.write_char('-')?;
    }
    let magnitude = units.unsigned_abs();
    let (whole, mut part) = (magnitude.checked_div(10_000).unwrap_or(0), magnitude.checked_rem(10_000).unwrap_or(0));
    match u64::try_from(whole) {
        Ok(small) => write!(f, "{small}")?,
        Err(_) => write!(f, "{whole}")?,
    }
    if part == 0 {
        return Ok(());
    }
    let mut width: usize = 4;
    while part.checked_rem(10) == Some(0) {
        part = part.checked_div(10).unwrap_or(0);
        width = width.saturating_sub(1);
    }
    write!(f, ".{part:0width$}")
}

/// Writes units as an exact JSON number.
pub(crate) fn serialize_units<S: Serializer>(units: i128, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize;
    if !serializer.is_human_readable() {
        return serializer.serialize_i128(units);
    }
    if units.checked_rem(SCALE) == Some(0)
        && let Some(Ok(whole)) = units.checked_div(SCALE).map(i64::try_from)
    {
        return serializer.serialize_i64(whole);
    }
    let mut text = String::with_capacity(24);
    write_units(units, &mut text).map_err(serde::ser::Error::custom)?;
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// Marks a number that has the right kind but lies outside the ledger's bounds; found again by the reader of records.
pub(crate) const OUT_OF_RANGE_MARK: &str = "out of range: ";

/// Reads the text of a JSON number, exactly as it stands in the record.
pub(crate) fn number_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    match text.as_bytes().first() {
        Some(byte) if byte.is_ascii_digit() || *byte == b'-' => Ok(text),
        _ => Err(D::Error::custom("must be a JSON number")),
    }
}

/// A serde error that says that a number is out of the ledger's range.
pub(crate) fn out_of_range<E: serde::de::Error>(detail: impl fmt::Display) -> E {
    E::custom(format_args!("{OUT_OF_RANGE_MARK}{detail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exact_decimals_and_nothing_else() {
        for (text, expected) in [
            ("150.25", Ok(1_502_500)),
            ("150.2500", Ok(1_502_500)),
            ("0.0001", Ok(1)),
            ("0", Ok(0)),
            ("100000000000000", Ok(1_000_000_000_000_000_000)),
            ("4.00001", Err(DecimalError::Malformed)),
            ("1.", Err(DecimalError::Malformed)),
            (".5", Err(DecimalError::Malformed)),
            ("01", Err(DecimalError::Malformed)),
            ("-1", Err(DecimalError::Malformed)),
            ("+1", Err(DecimalError::Malformed)),
            ("1e3", Err(DecimalError::Malformed)),
            (" 1", Err(DecimalError::Malformed)),
            ("1,0", Err(DecimalError::Malformed)),
            ("９", Err(DecimalError::Malformed)),
            ("1.-5", Err(DecimalError::Malformed)),
            ("", Err(DecimalError::Malformed)),
            ("9999999999999999999999999999999999999999", Err(DecimalError::OutOfRange)),
            ("999999999999999999999999999999", Ok(9_999_999_999_999_999_999_999_999_999_990_000)),
            ("1000000000000000000000000000000", Err(DecimalError::OutOfRange)),
            ("0.12345678901234567890", Err(DecimalError::Malformed)),
        ] {
            assert_eq!(parse_units(text), expected, "{text}");
        }
    }

    #[test]
    fn writes_the_shortest_plain_decimal() {
        for (units, expected) in
            [(1_502_500, "150.25"), (1, "0.0001"), (0, "0"), (-1, "-0.0001"), (10_000, "1"), (1_000_100, "100.01")]
        {
            let mut text = String::new();
            assert!(write_units(units, &mut text).is_ok());
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn whole_units_and_others_are_exact_json_numbers() {
        struct Units(i128);
        impl serde::Serialize for Units {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize_units(self.0, serializer)
            }
        }
        for (units, expected) in [
            (20_000, "2"),
            (-15_000, "-1.5"),
            (92_233_720_368_547_758_070_000, "9223372036854775807"),
            (92_233_720_368_547_758_080_000, "9223372036854775808"),
            (92_233_720_368_547_758_080_001, "9223372036854775808.0001"),
        ] {
            assert_eq!(serde_json::to_string(&Units(units)).ok().as_deref(), Some(expected));
        }
    }
}
