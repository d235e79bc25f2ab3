//! What is stored, and under which keys: counts and sums alone.

use bytes::Bytes;
use orderledger_domain::event::Event;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::money::{Amount, Price};
use orderledger_domain::terms::{Liquidity, Side};
use orderledger_domain::timestamp::Day;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::{At, Error};
use serde::{Deserialize, Serialize};

/// What was asked of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Orders that intake granted.
    pub accepted: u64,
    /// Orders that intake refused, or that matching did after intake had granted them: those are in both.
    pub rejected: u64,
    /// Amendments that went to the book.
    pub amends: u64,
    /// Cancellations that went to the book.
    pub cancels: u64,
    /// Shares of the orders that were granted, as they were placed.
    pub quantity: u128,
}

/// ANALYTICS_DAY and ANALYTICS_SYMBOL: what happened on a day, in all or in one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketDay {
    /// What was asked.
    pub asked: Asked,
    /// Accounts whose orders were judged, amended, canceled or filled.
    pub accounts: u64,
    /// Trades.
    pub trades: u64,
    /// Shares traded, each counted once.
    pub volume: u128,
    /// Σ price × quantity of the trades.
    pub turnover: Amount,
    /// Shares filled, of buyers and of sellers.
    pub executed: u128,
    /// Fees of both legs.
    pub fees: Amount,
    /// Of one symbol that traded: its prices.
    pub prices: Option<Prices>,
}

/// The prices of a symbol's trades on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// The first.
    pub open: Price,
    /// The highest.
    pub high: Price,
    /// The lowest.
    pub low: Price,
    /// The last.
    pub close: Price,
    /// The side that came in the last trade.
    pub last_side: Side,
    /// At what one who came last bought: the ask then.
    pub last_bought: Option<Price>,
    /// At what one who came last sold: the bid then.
    pub last_sold: Option<Price>,
    /// Σ ask − bid, of every trade that came from the other side than the one before it.
    pub spreads: Amount,
    /// How many those are.
    pub spread_samples: u64,
}

impl Prices {
    /// Those of a day's first trade.
    pub(super) fn first(price: Price, taker: Side) -> Prices {
        Prices {
            open: price,
            high: price,
            low: price,
            close: price,
            last_side: taker,
            last_bought: (taker == Side::Buy).then_some(price),
            last_sold: (taker == Side::Sell).then_some(price),
            spreads: Amount::ZERO,
            spread_samples: 0,
        }
    }

    /// Takes the next trade.
    pub(super) fn take(&mut self, price: Price, taker: Side) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        match taker {
            Side::Buy => self.last_bought = Some(price),
            Side::Sell => self.last_sold = Some(price),
        }
        if let (true, Some(ask), Some(bid)) = (taker != self.last_side, self.last_bought, self.last_sold) {
            let units = |price: Price| Amount::from_units(i128::from(price.units()));
            self.spreads = self.spreads.plus(units(ask).minus(units(bid)));
            self.spread_samples = self.spread_samples.saturating_add(1);
        }
        self.last_side = taker;
    }
}

/// ANALYTICS_ACCOUNT: what an account did on a day, in all or in one symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDay {
    /// What it asked.
    pub asked: Asked,
    /// Deposits and withdrawals that were booked; in all alone.
    pub movements: u64,
    /// Its legs of trades.
    pub fills: u64,
    /// Those in which its order rested.
    pub maker_fills: u64,
    /// Shares bought; in all: of every symbol.
    pub bought: u128,
    /// Shares sold.
    pub sold: u128,
    /// Σ price × quantity of what it bought.
    pub bought_for: Amount,
    /// Σ price × quantity of what it sold.
    pub sold_for: Amount,
    /// Its fees.
    pub fees: Amount,
    /// In all alone: between which offsets of its partition the day's orders were placed and its events stand, both included.
    pub places: Option<(u64, u64)>,
}

impl AccountDay {
    /// Whether it traded or tried to.
    pub fn is_active(&self) -> bool {
        let Asked { accepted, rejected, amends, cancels, .. } = self.asked;
        [accepted, rejected, amends, cancels, self.fills].iter().any(|count| *count > 0)
    }

    /// Takes one of its events.
    pub(super) fn take(&mut self, event: &Event) {
        self.asked.take(event);
        match event {
            Event::AccountCredited(_) | Event::AccountDebited(_) => self.movements = self.movements.saturating_add(1),
            Event::OrderFilled(fill) => {
                self.fills = self.fills.saturating_add(1);
                let is_maker = fill.liquidity == Liquidity::Maker;
                self.maker_fills = self.maker_fills.saturating_add(u64::from(is_maker));
                self.fees = self.fees.plus(fill.fee);
                let (shares, cash) = match fill.side {
                    Side::Buy => (&mut self.bought, &mut self.bought_for),
                    Side::Sell => (&mut self.sold, &mut self.sold_for),
                };
                *shares = shares.saturating_add(u128::from(fill.quantity.shares()));
                *cash = cash.plus(fill.price.times(fill.quantity));
            }
            _ => {}
        }
    }
}

pub(super) fn day_key(day: Day) -> Bytes {
    KeyBuilder::new(keys::ANALYTICS_DAY).i64(day.number()).build()
}

pub(super) fn symbol_key(day: Day, symbol: Symbol) -> Bytes {
    KeyBuilder::new(keys::ANALYTICS_SYMBOL).i64(day.number()).name(symbol.as_str()).build()
}

/// Without a symbol: the account's row of all. No symbol is called so.
pub(super) fn account_key(day: Day, user: &UserId, symbol: Option<Symbol>) -> Bytes {
    let name = symbol.as_ref().map_or("", Symbol::as_str);
    KeyBuilder::new(keys::ANALYTICS_ACCOUNT).i64(day.number()).name(user.as_str()).name(name).build()
}

pub(super) fn day_of(key: &[u8]) -> Result<Day, Error> {
    read_day(&mut KeyReader::new(keys::ANALYTICS_DAY, key)?)
}

pub(super) fn symbol_of(key: &[u8]) -> Result<(Day, Symbol), Error> {
    let mut fields = KeyReader::new(keys::ANALYTICS_SYMBOL, key)?;
    let day = read_day(&mut fields)?;
    Ok((day, Symbol::new(&fields.name()?).map_err(|_| corrupt())?))
}

pub(super) fn account_of(key: &[u8]) -> Result<(Day, UserId, Option<Symbol>), Error> {
    let mut fields = KeyReader::new(keys::ANALYTICS_ACCOUNT, key)?;
    let day = read_day(&mut fields)?;
    let user = UserId::new(&fields.name()?).map_err(|_| corrupt())?;
    let name = fields.name()?;
    let symbol = (!name.is_empty()).then(|| Symbol::new(&name)).transpose().map_err(|_| corrupt())?;
    Ok((day, user, symbol))
}

fn read_day(fields: &mut KeyReader<'_>) -> Result<Day, Error> {
    Day::from_number(fields.i64()?).ok_or_else(corrupt)
}

fn corrupt() -> Error {
    Error::corrupt(At::Frame, "a key of analytics that names no day, account or symbol")
}
