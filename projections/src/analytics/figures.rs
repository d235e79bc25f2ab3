//! What follows from a row: exact decimals, rounded half-even to 4 places when they are asked for. A quotient of nothing is none.

use std::cmp::Ordering;

use orderledger_domain::decimal::{SCALE, divide_half_even};
use orderledger_domain::money::{Amount, Price};

use super::rows::{AccountDay, Asked, MarketDay, Prices};

impl Asked {
    /// Orders, amendments and cancellations that went to the book.
    pub fn messages(&self) -> u64 {
        self.accepted.saturating_add(self.amends).saturating_add(self.cancels)
    }
}

impl MarketDay {
    /// The mean price by volume.
    pub fn vwap(&self) -> Option<Amount> {
        mean(self.turnover, self.volume)
    }

    /// Messages to the book by trade.
    pub fn order_to_trade_ratio(&self) -> Option<Amount> {
        ratio(u128::from(self.asked.messages()), u128::from(self.trades))
    }

    /// Shares filled by share ordered, of both sides; above 1 where orders of earlier days were filled.
    pub fn fill_ratio(&self) -> Option<Amount> {
        ratio(self.executed, self.asked.quantity)
    }
}

impl AccountDay {
    /// Σ price × quantity of all its fills.
    pub const fn turnover(&self) -> Amount {
        self.bought_for.plus(self.sold_for)
    }

    /// Shares of all its fills.
    pub fn volume(&self) -> u128 {
        self.bought.saturating_add(self.sold)
    }

    /// The mean price of its fills by volume.
    pub fn vwap(&self) -> Option<Amount> {
        mean(self.turnover(), self.volume())
    }

    /// Messages to the book by fill.
    pub fn order_to_trade_ratio(&self) -> Option<Amount> {
        ratio(u128::from(self.asked.messages()), u128::from(self.fills))
    }

    /// Shares filled by share ordered; above 1 where orders of earlier days were filled.
    pub fn fill_ratio(&self) -> Option<Amount> {
        ratio(self.volume(), self.asked.quantity)
    }
}

impl Prices {
    /// The last price less the first, perhaps negative.
    pub fn change(&self) -> Amount {
        Amount::from_units(i128::from(self.close.units()) - i128::from(self.open.units()))
    }

    /// The same in percent of the first.
    pub fn change_percent(&self) -> Amount {
        const PERCENT: i128 = 100;
        let hundredfold = self.change().units().saturating_mul(SCALE).saturating_mul(PERCENT);
        Amount::from_units(divide_half_even(hundredfold, u128::from(self.open.units().unsigned_abs())))
    }

    /// The mean of what an ask was above the bid, as trades show them; negative where the market ran while it was measured.
    pub fn spread(&self) -> Option<Amount> {
        mean(self.spreads, u128::from(self.spread_samples))
    }

    /// How two changes compare in proportion to the first prices, exactly.
    pub fn cmp_change(&self, other: &Prices) -> Ordering {
        let times = |of: &Prices, by: Price| of.change().units().saturating_mul(i128::from(by.units()));
        times(self, other.open).cmp(&times(other, self.open))
    }

    /// The same of their sizes, whichever way they go.
    pub fn cmp_move(&self, other: &Prices) -> Ordering {
        let times = |of: &Prices, by: Price| of.change().units().saturating_mul(i128::from(by.units())).unsigned_abs();
        times(self, other.open).cmp(&times(other, self.open))
    }
}

/// An amount by a count.
fn mean(of: Amount, by: u128) -> Option<Amount> {
    (by > 0).then(|| Amount::from_units(divide_half_even(of.units(), by)))
}

/// A count by a count.
fn ratio(of: u128, by: u128) -> Option<Amount> {
    let scaled = i128::try_from(of).unwrap_or(i128::MAX).saturating_mul(SCALE);
    mean(Amount::from_units(scaled), by)
}
