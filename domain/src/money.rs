//! Prices, quantities and amounts as checked integers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decimal::{self, DecimalError, SCALE};
use crate::planted::{self, Bug};

/// A price of one share in 1/10000 of the cash unit (FIX tag 44): 0.0001 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// The lowest price: 0.0001.
    pub const MIN: Price = Price(1);
    /// The highest price: 1,000,000.
    pub const MAX: Price = Price(10_000_000_000);

    /// A price of that many 1/10000, if within bounds.
    pub fn from_units(units: i128) -> Result<Price, DecimalError> {
        match i64::try_from(units) {
            Ok(units) if (1..=Price::MAX.0).contains(&units) => Ok(Price(units)),
            _ => Err(DecimalError::OutOfRange),
        }
    }

    /// The price in 1/10000.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Price × quantity, exact; never overflows within the bounds of both.
    pub fn times(self, quantity: Quantity) -> Amount {
        Amount(i128::from(self.0).saturating_mul(i128::from(quantity.0)))
    }
}

/// A number of whole shares (FIX tag 38), 0 to 100,000,000,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u64);

impl Quantity {
    /// No shares.
    pub const ZERO: Quantity = Quantity(0);
    /// The largest quantity of one order.
    pub const MAX: Quantity = Quantity(100_000_000_000);

    /// That many shares, if within bounds (zero included).
    pub fn new(shares: u64) -> Result<Quantity, DecimalError> {
        if shares <= Quantity::MAX.0 { Ok(Quantity(shares)) } else { Err(DecimalError::OutOfRange) }
    }

    /// The number of shares.
    pub const fn shares(self) -> u64 {
        self.0
    }

    /// Whether it is none.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum; the book never holds more than `u64` of one order.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_add(other.0))
    }

    /// The difference, never below zero.
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity(self.0.saturating_sub(other.0))
    }

    /// As an amount of that share.
    pub fn amount(self) -> Amount {
        Amount(i128::from(self.0).saturating_mul(SCALE))
    }
}

/// An amount of an asset in 1/10000 (cash and shares alike; shares are whole), 128 bit inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount of one deposit, withdrawal or budget: 100,000,000,000,000.
    pub const MAX_MOVED: Amount = Amount(1_000_000_000_000_000_000);
    /// The largest notional of one order: 1,000,000,000,000.
    pub const MAX_NOTIONAL: Amount = Amount(10_000_000_000_000_000);

    /// An amount of that many 1/10000.
    pub const fn from_units(units: i128) -> Amount {
        Amount(units)
    }

    /// The amount in 1/10000.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Whether it is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether it is below nothing.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is a whole number (shares are).
    pub fn is_whole(self) -> bool {
        self.0.checked_rem(SCALE) == Some(0)
    }

    /// The sum; amounts are bounded so far below 128 bits that it never saturates.
    #[must_use]
    pub const fn plus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    /// The difference, possibly negative.
    #[must_use]
    pub const fn minus(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0))
    }

    /// The negative of it.
    #[must_use]
    pub const fn negated(self) -> Amount {
        Amount(0_i128.saturating_sub(self.0))
    }

    /// An amount that may be moved by a deposit or withdrawal: 0.0001 to 100,000,000,000,000.
    pub fn movable(units: i128) -> Result<Amount, DecimalError> {
        if (1..=Amount::MAX_MOVED.0).contains(&units) { Ok(Amount(units)) } else { Err(DecimalError::OutOfRange) }
    }
}

/// A fee rate in basis points (1/10000 of the notional), 0 to 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BasisPoints(u32);

impl BasisPoints {
    /// The highest rate: 10 %.
    pub const MAX: u32 = 1000;

    /// A rate, if within bounds.
    pub fn new(rate: u32) -> Result<BasisPoints, DecimalError> {
        if rate <= BasisPoints::MAX { Ok(BasisPoints(rate)) } else { Err(DecimalError::OutOfRange) }
    }

    /// The rate.
    pub const fn rate(self) -> u32 {
        self.0
    }

    /// Rate × notional: a fee in 1/10000 of the amount's unit, before dividing by 10000.
    pub fn of(self, notional: Amount) -> i128 {
        notional.0.saturating_mul(i128::from(self.0))
    }
}

/// ⌈basis / 10000⌉ for a basis ≥ 0: how fees are rounded, always up.
pub fn fee_from_basis(basis: i128) -> Amount {
    let up = if planted::is(Bug::FeeRoundedDown) { 0 } else { 9_999 };
    Amount(basis.saturating_add(up).checked_div(10_000).unwrap_or(0))
}

macro_rules! decimal_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                decimal::write_units(i128::from(self.0), f)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                decimal::serialize_units(i128::from(self.0), serializer)
            }
        }
    };
}
decimal_text!(Price);
decimal_text!(Amount);

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let units = if deserializer.is_human_readable() {
            decimal::parse_units(decimal::number_text(deserializer)?).map_err(decimal::out_of_range)?
        } else {
            i128::deserialize(deserializer)?
        };
        Price::from_units(units).map_err(decimal::out_of_range)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i128::deserialize(deserializer).map(Amount);
        }
        decimal::parse_units(decimal::number_text(deserializer)?).map(Amount).map_err(decimal::out_of_range)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shares = if deserializer.is_human_readable() {
            let whole = decimal::parse_digits(decimal::number_text(deserializer)?).map_err(decimal::out_of_range)?;
            u64::try_from(whole).map_err(decimal::out_of_range)?
        } else {
            u64::deserialize(deserializer)?
        };
        Quantity::new(shares).map_err(decimal::out_of_range)
    }
}

impl<'de> Deserialize<'de> for BasisPoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = if deserializer.is_human_readable() {
            let whole = decimal::parse_digits(decimal::number_text(deserializer)?).map_err(decimal::out_of_range)?;
            u32::try_from(whole).map_err(decimal::out_of_range)?
        } else {
            u32::deserialize(deserializer)?
        };
        BasisPoints::new(rate).map_err(decimal::out_of_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUT: DecimalError = DecimalError::OutOfRange;

    #[test]
    fn bounds_belong_to_what_is_allowed() {
        let price = |units| Price::from_units(units).map(|price| i128::from(price.units()));
        let shares = |shares| Quantity::new(shares).map(Quantity::shares);
        let movable = |units| Amount::movable(units).map(Amount::units);
        let rate = |rate| BasisPoints::new(rate).map(BasisPoints::rate);
        assert_eq!([0, 1, 10_000_000_000, 10_000_000_001].map(price), [Err(OUT), Ok(1), Ok(10_000_000_000), Err(OUT)]);
        assert_eq!(price(i128::MAX), Err(OUT));
        assert_eq!([0, 7, 100_000_000_000, 100_000_000_001].map(shares), [Ok(0), Ok(7), Ok(100_000_000_000), Err(OUT)]);
        let most = 1_000_000_000_000_000_000;
        assert_eq!([-1, 0, 1, most, most + 1].map(movable), [Err(OUT), Err(OUT), Ok(1), Ok(most), Err(OUT)]);
        assert_eq!([0, 1, 1000, 1001].map(rate), [Ok(0), Ok(1), Ok(1000), Err(OUT)]);
    }

    #[test]
    fn amounts_are_told_apart_by_sign_and_by_what_is_whole() {
        for (units, is_zero, is_negative, is_whole) in [
            (0, true, false, true),
            (1, false, false, false),
            (-1, false, true, false),
            (10_000, false, false, true),
            (-20_000, false, true, true),
            (10_001, false, false, false),
        ] {
            let amount = Amount::from_units(units);
            let said = (amount.is_zero(), amount.is_negative(), amount.is_whole());
            assert_eq!(said, (is_zero, is_negative, is_whole), "{units}");
            assert_eq!(amount.negated().plus(amount), Amount::ZERO);
            assert_eq!(amount.negated().minus(amount).units(), -2 * units);
        }
    }

    #[test]
    fn quantities_are_counted_and_never_below_none() {
        let (three, five) = (Quantity(3), Quantity(5));
        assert_eq!(
            (five.minus(three), three.minus(five), three.plus(five)),
            (Quantity(2), Quantity::ZERO, Quantity(8))
        );
        assert_eq!((Quantity::ZERO.is_zero(), three.is_zero()), (true, false));
        assert_eq!((three.amount().units(), Price(7).times(three).units()), (30_000, 21));
        assert_eq!(
            (three.to_string(), Price(15_000).to_string(), Amount(-1).to_string()),
            ("3".into(), "1.5".into(), "-0.0001".into())
        );
    }

    #[test]
    fn fees_are_rounded_up() {
        let fee = |rate, notional| fee_from_basis(BasisPoints(rate).of(Amount(notional))).units();
        assert_eq!((fee(0, 9), fee(1, 1), fee(1, 10_000), fee(1, 10_001), fee(25, 10_000)), (0, 1, 1, 2, 25));
    }

    #[test]
    fn numbers_in_json_are_read_exactly_and_within_their_bounds() {
        fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
            serde_json::from_str(text).ok()
        }
        assert_eq!(
            [read("1.5"), read("0"), read("-1"), read("\"1\"")],
            [Some(Amount(15_000)), Some(Amount(0)), None, None]
        );
        assert_eq!([read("1.5"), read("0"), read("1000000.0001")], [Some(Price(15_000)), None, None]);
        assert_eq!(
            [read("0"), read("7"), read("7.0"), read("100000000001")],
            [Some(Quantity(0)), Some(Quantity(7)), None, None]
        );
        assert_eq!([read("0"), read("1000"), read("1001")], [Some(BasisPoints(0)), Some(BasisPoints(1000)), None]);
        let written = (Amount(15_000), Price(1), Quantity(7), BasisPoints(25));
        assert_eq!(serde_json::to_string(&written).ok().as_deref(), Some("[1.5,0.0001,7,25]"));
    }
}
