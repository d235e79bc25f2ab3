//! The terms of an order in the field's own words (FIX).
//!
//! In: the names as events and requests spell them. Out: small `Copy` enums and the same names again.
//! Invariant: a name that goes out is the name that came in; the order of the variants is part of stored bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which way an order trades (FIX tag 54).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Pays cash for shares: a bid.
    Buy,
    /// Gives shares for cash: an ask.
    Sell,
}

impl Side {
    /// The name in events: `buy` or `sell`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        }
    }

    /// The side an order of this one trades with.
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

/// Whether an order names its worst price (FIX tag 40).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// Trades at its price or better.
    Limit,
    /// Trades at whatever the book offers.
    Market,
}

impl OrderType {
    /// The name in events: `limit` or `market`.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderType::Limit => "limit",
            OrderType::Market => "market",
        }
    }
}

/// How long an order stands (FIX tag 59).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until the session closes.
    Day,
    /// Good till canceled.
    Gtc,
    /// Immediate or cancel: what doesn't trade at once expires.
    Ioc,
    /// Fill or kill: all at once, or nothing.
    Fok,
}

impl TimeInForce {
    /// The name in events: `day`, `gtc`, `ioc` or `fok`.
    pub const fn as_str(self) -> &'static str {
        match self {
            TimeInForce::Day => "day",
            TimeInForce::Gtc => "gtc",
            TimeInForce::Ioc => "ioc",
            TimeInForce::Fok => "fok",
        }
    }

    /// Whether what doesn't trade at once may rest in the book.
    pub const fn rests(self) -> bool {
        matches!(self, TimeInForce::Day | TimeInForce::Gtc)
    }
}

/// Who waited and who came (FIX tag 851).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Liquidity {
    /// Rested in the book.
    Maker,
    /// Came and met a resting order.
    Taker,
}

impl Liquidity {
    /// The name in events: `maker` or `taker`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Liquidity::Maker => "maker",
            Liquidity::Taker => "taker",
        }
    }
}

macro_rules! display_the_name {
    ($($term:ty),*) => {$(
        impl fmt::Display for $term {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

display_the_name!(Side, OrderType, TimeInForce, Liquidity);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_shown_as_it_stands_in_json() {
        fn same<T: Serialize + fmt::Display>(terms: &[T], names: &[&str]) {
            let shown: Vec<String> = terms.iter().map(T::to_string).collect();
            assert_eq!(shown, names);
            assert_eq!(serde_json::to_value(terms).ok(), serde_json::to_value(names).ok());
        }
        same(&[Side::Buy, Side::Sell], &["buy", "sell"]);
        same(&[OrderType::Limit, OrderType::Market], &["limit", "market"]);
        same(&[TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok], &["day", "gtc", "ioc", "fok"]);
        same(&[Liquidity::Maker, Liquidity::Taker], &["maker", "taker"]);
    }
}
