//! The rows of the market view and their keys.

use bytes::Bytes;
use orderledger_domain::decimal::divide_half_even;
use orderledger_domain::ids::Symbol;
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::{At, Error};
use serde::{Deserialize, Serialize};

use super::interval::Interval;

/// Trades of one block of the tape. A trade's block follows from its bookSeq alone.
pub const TRADES_PER_BLOCK: u64 = 128;

/// One trade of the tape; its bookSeq is its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// The resting order's price.
    pub price: Price,
    /// Shares.
    pub quantity: Quantity,
    /// The side that came.
    pub taker_side: Side,
    /// When.
    pub time: Timestamp,
    /// The record's offset in the symbol's partition of `trades`.
    pub offset: u64,
}

impl Trade {
    /// What stands in the place of a trade that an operator discarded: no shares, which no trade has.
    pub(super) fn hole(price: Price, time: Timestamp, offset: u64) -> Trade {
        Trade { price, quantity: Quantity::ZERO, taker_side: Side::Buy, time, offset }
    }

    /// Whether it stands in the place of a trade that an operator discarded.
    pub const fn is_hole(&self) -> bool {
        self.quantity.is_zero()
    }
}

/// TRADE_BLOCK: the trades from the key's bookSeq on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradeBlock {
    /// At least one, at most [`TRADES_PER_BLOCK`], without gaps: where a trade was discarded stands a hole.
    pub trades: Vec<Trade>,
}

/// CANDLE: what some consecutive trades of a symbol come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candle {
    /// The first price.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The last price.
    pub close: Price,
    /// Shares.
    pub volume: u128,
    /// Trades.
    pub trade_count: u64,
    /// Σ price × quantity.
    pub notional: Amount,
}

impl Candle {
    /// What one trade comes to.
    pub fn of(trade: &Trade) -> Candle {
        Candle {
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            volume: u128::from(trade.quantity.shares()),
            trade_count: 1,
            notional: trade.price.times(trade.quantity),
        }
    }

    /// Both, where `later` follows on this one.
    #[must_use]
    pub fn followed_by(&self, later: &Candle) -> Candle {
        Candle {
            open: self.open,
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            close: later.close,
            volume: self.volume.saturating_add(later.volume),
            trade_count: self.trade_count.saturating_add(later.trade_count),
            notional: self.notional.plus(later.notional),
        }
    }

    /// The volume-weighted average price, rounded half-even to 4 decimals.
    pub fn vwap(&self) -> Amount {
        Amount::from_units(divide_half_even(self.notional.units(), self.volume))
    }
}

/// MARKET: a symbol's trades so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketRow {
    /// The partition of `trades` that the symbol lives in.
    pub partition: u32,
    /// The number of trades; with those that were discarded that is the last one's bookSeq.
    pub trade_count: u64,
    /// Shares, over all time.
    pub volume: u128,
    /// The last price.
    pub last: Price,
    /// When the last trade happened.
    pub last_time: Timestamp,
    /// The last trade's offset in the partition.
    pub last_offset: u64,
    /// The first price.
    pub first: Price,
    /// When the first trade happened.
    pub first_time: Timestamp,
}

/// DISCARDED_TRADES: how many of a symbol's trades an operator discarded. Their places in the tape are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardedRow(pub u64);

/// A trade's id: `{symbol}-{bookSeq}`.
pub fn trade_id(symbol: Symbol, book_seq: u64) -> String {
    format!("{symbol}-{book_seq}")
}

/// The bookSeq at which a trade's block begins.
pub const fn block_of(book_seq: u64) -> u64 {
    let index = book_seq.saturating_sub(1);
    index.saturating_sub(index % TRADES_PER_BLOCK).saturating_add(1)
}

/// The key of a symbol's [`MarketRow`].
pub fn market_key(symbol: Symbol) -> Bytes {
    KeyBuilder::new(keys::MARKET).name(symbol.as_str()).build()
}

/// The symbol of a [`MarketRow`]'s key.
pub fn symbol_of_market_key(key: &[u8]) -> Result<Symbol, Error> {
    symbol_of(keys::MARKET, key)
}

/// The key of a symbol's [`DiscardedRow`].
pub fn discarded_key(symbol: Symbol) -> Bytes {
    KeyBuilder::new(keys::DISCARDED_TRADES).name(symbol.as_str()).build()
}

/// The symbol of a [`DiscardedRow`]'s key.
pub fn symbol_of_discarded_key(key: &[u8]) -> Result<Symbol, Error> {
    symbol_of(keys::DISCARDED_TRADES, key)
}

fn symbol_of(prefix: u8, key: &[u8]) -> Result<Symbol, Error> {
    let mut fields = KeyReader::new(prefix, key)?;
    let name = fields.name()?;
    fields.end()?;
    Symbol::new(&name).map_err(|error| Error::corrupt(At::Frame, "a market's key without a symbol").with_source(error))
}

/// The key of the [`TradeBlock`] that begins at that bookSeq.
pub fn block_key(symbol: Symbol, first_book_seq: u64) -> Bytes {
    KeyBuilder::new(keys::TRADE_BLOCK).name(symbol.as_str()).u64(first_book_seq).build()
}

/// The key of the [`Candle`] of that interval that opened then.
pub fn candle_key(symbol: Symbol, interval: Interval, open_time: Timestamp) -> Bytes {
    let key = KeyBuilder::new(keys::CANDLE).name(symbol.as_str()).u8(interval.number());
    key.i64(open_time.micros()).build()
}

/// When the [`Candle`] under that key opened.
pub fn open_time_of_candle_key(key: &[u8]) -> Result<Timestamp, Error> {
    let mut fields = KeyReader::new(keys::CANDLE, key)?;
    let (_, _, open_time) = (fields.name()?, fields.u8()?, fields.i64()?);
    fields.end()?;
    Ok(Timestamp::from_micros(open_time))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_store::codec;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn trade(price: i128, quantity: u64) -> Trade {
        Trade {
            price: Price::from_units(price).unwrap(),
            quantity: Quantity::new(quantity).unwrap(),
            taker_side: Side::Sell,
            time: Timestamp::parse("2025-01-15T10:37:59.5Z").unwrap(),
            offset: 7,
        }
    }

    #[test]
    fn the_bytes_of_every_row_are_these_for_ever() {
        let (one, other) = (trade(1_502_500, 100), trade(1_502_600, 300));
        let block = TradeBlock { trades: vec![one, other] };
        let candle = Candle::of(&one).followed_by(&Candle::of(&other));
        let market = MarketRow {
            partition: 3,
            trade_count: 2,
            volume: 400,
            last: other.price,
            last_time: other.time,
            last_offset: 9,
            first: one.price,
            first_time: one.time,
        };
        insta::assert_snapshot!(hex(&codec::encode(1, &block).unwrap()), @"0109cc01b902fc48da2d006401fdc0e1ec8a78570c0007fc10db2d00fb2c0101fdc0e1ec8a78570c0007");
        insta::assert_snapshot!(hex(&codec::encode(1, &candle).unwrap()), @"015441d30bfc48da2d00fc10db2d00fc48da2d00fc10db2d00fb900102fce0faa547");
        insta::assert_snapshot!(hex(&codec::encode(1, &market).unwrap()), @"019b3f13be0302fb9001fc10db2d00fdc0e1ec8a78570c0009fc48da2d00fdc0e1ec8a78570c00");
    }

    #[test]
    fn the_bytes_of_every_key_are_these_for_ever() {
        let symbol = Symbol::new("AAPL").unwrap();
        insta::assert_snapshot!(hex(&market_key(symbol)), @"304141504c00");
        insta::assert_snapshot!(hex(&block_key(symbol, 129)), @"314141504c000000000000000081");
        insta::assert_snapshot!(hex(&candle_key(symbol, Interval::Minute, trade(1, 1).time)), @"324141504c000180062bbc457670e0");
    }

    #[test]
    fn a_block_follows_from_the_number_of_its_trade() {
        for (book_seq, first) in [(1, 1), (128, 1), (129, 129), (256, 129), (257, 257)] {
            assert_eq!(block_of(book_seq), first, "{book_seq}");
        }
    }

    #[test]
    fn a_vwap_is_rounded_half_to_even() {
        for (n, d, expected) in [(7, 2, 4), (5, 2, 2), (3, 2, 2), (1, 2, 0), (7, 3, 2), (8, 3, 3), (6, 3, 2), (0, 9, 0)]
        {
            assert_eq!(divide_half_even(n, d), expected, "{n}/{d}");
        }
    }
}
