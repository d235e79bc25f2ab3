//! Decimals of foreign feeds, exact: digits, perhaps a point, perhaps an exponent.

/// More digits are no price and no amount.
const DIGITS_MAX: usize = 30;

/// A number that is not written as one, or is negative, or far too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a positive decimal number")]
pub struct NotDecimal;

/// A decimal in units of `10^-decimals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// The units, rounded half-even.
    pub units: u128,
    /// Whether nothing was rounded off.
    pub exact: bool,
}

/// Reads a decimal in units of `10^-decimals`.
pub fn scaled(text: &str, decimals: i32) -> Result<Scaled, NotDecimal> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().map_err(|_| NotDecimal)?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !all_digits || whole.is_empty() || (fraction.is_empty() && digits.contains('.')) {
        return Err(NotDecimal);
    }
    if whole.len().saturating_add(fraction.len()) > DIGITS_MAX {
        return Err(NotDecimal);
    }
    let mantissa: u128 = format!("{whole}{fraction}").parse().map_err(|_| NotDecimal)?;
    let behind_point = i32::try_from(fraction.len()).map_err(|_| NotDecimal)?;
    let shift = exponent.saturating_sub(behind_point).saturating_add(decimals);
    let power = 10_u128.checked_pow(shift.unsigned_abs());
    if shift >= 0 {
        let units = power.and_then(|power| mantissa.checked_mul(power)).ok_or(NotDecimal)?;
        return Ok(Scaled { units, exact: true });
    }
    let Some(power) = power else { return Ok(Scaled { units: 0, exact: mantissa == 0 }) };
    let (quotient, rest) = (mantissa.checked_div(power).unwrap_or(0), mantissa.checked_rem(power).unwrap_or(0));
    let up = match rest.cmp(&power.saturating_sub(rest)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => quotient & 1,
        std::cmp::Ordering::Greater => 1,
    };
    Ok(Scaled { units: quotient.saturating_add(up), exact: rest == 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimals_into_units() {
        let exact = |units| Ok(Scaled { units, exact: true });
        let rounded = |units| Ok(Scaled { units, exact: false });
        for (text, decimals, expected) in [
            ("236.47", 2, exact(23_647)),
            ("236.470", 2, exact(23_647)),
            ("236.475", 2, rounded(23_648)),
            ("236.465", 2, rounded(23_646)),
            ("237.56999999999999", 2, rounded(23_757)),
            ("1.7885566900000001", 8, rounded(178_855_669)),
            ("9.9999999999999995e-07", 8, rounded(100)),
            ("2E2", 2, exact(20_000)),
            ("0.00000000", 8, exact(0)),
            ("1e-99", 8, rounded(0)),
            ("", 8, Err(NotDecimal)),
            (".5", 8, Err(NotDecimal)),
            ("5.", 8, Err(NotDecimal)),
            ("-1", 8, Err(NotDecimal)),
            ("1e", 8, Err(NotDecimal)),
            ("1e99", 8, Err(NotDecimal)),
            ("1,5", 8, Err(NotDecimal)),
            ("1234567890123456789012345678901", 8, Err(NotDecimal)),
        ] {
            assert_eq!(scaled(text, decimals), expected, "{text}");
        }
    }
}
