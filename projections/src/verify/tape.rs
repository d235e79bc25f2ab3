//! The public tape once more, and the candles that follow from it.

use std::collections::BTreeMap;

use orderledger_domain::event::TradeExecuted;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Position;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;

use super::report::{Check, Report};

/// The intervals of candles in microseconds: 1 minute, 5, 15, 1 hour, 1 day.
const INTERVALS: [i64; 5] = [60_000_000, 300_000_000, 900_000_000, 3_600_000_000, 86_400_000_000];

/// A trade of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeRow {
    /// Its number; that of a discarded one is used up.
    pub book_seq: u64,
    /// Where its record stands.
    pub position: Position,
    /// Its price in 1/10000.
    pub price: i64,
    /// Its shares.
    pub quantity: u64,
    /// The side that came.
    pub taker_side: Side,
    /// When.
    pub time: Timestamp,
}

/// What trades of some time come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandleRow {
    /// The first price.
    pub open: i64,
    /// The highest.
    pub high: i64,
    /// The lowest.
    pub low: i64,
    /// The last.
    pub close: i64,
    /// Shares.
    pub volume: u128,
    /// Trades.
    pub trade_count: u64,
    /// Σ price × quantity.
    pub notional: i128,
}

/// A symbol, an interval in microseconds, and when the candle opened.
pub type CandleKey = (Symbol, i64, Timestamp);

/// All trades, by symbol, in the order of their bookSeq.
#[derive(Debug, Default)]
pub(super) struct Tape(pub(super) BTreeMap<Symbol, Vec<TapeRow>>);

impl Tape {
    /// The next record of the stream in `trades`.
    pub(super) fn append(&mut self, position: Position, time: Timestamp, trade: &TradeExecuted, report: &mut Report) {
        let trades = self.0.entry(trade.symbol).or_default();
        let book_seq = u64::try_from(trades.len()).unwrap_or(u64::MAX).saturating_add(1);
        let expected = (book_seq, format!("{}-{book_seq}", trade.symbol));
        let found = (trade.book_seq, trade.trade_id.clone());
        report.compare(Check::Matching, position, &expected, &found, |(seq, id)| format!("trade {id}, bookSeq {seq}"));
        if let Some(last) = trades.last().filter(|last| last.time > time) {
            report.differs(Check::Matching, position, format!("a time not before {}", last.time), time.to_string());
        }
        let (price, quantity, taker_side) = (trade.price.units(), trade.quantity.shares(), trade.taker_side);
        trades.push(TapeRow { book_seq: trade.book_seq, position, price, quantity, taker_side, time });
    }

    /// The candles of one symbol, by interval and opening.
    pub(super) fn candles(symbol: Symbol, trades: &[TapeRow]) -> BTreeMap<CandleKey, CandleRow> {
        let mut candles: BTreeMap<CandleKey, CandleRow> = BTreeMap::new();
        for TapeRow { price, quantity, time, .. } in trades {
            for interval in INTERVALS {
                let micros = time.micros();
                let opened = Timestamp::from_micros(micros - micros.rem_euclid(interval));
                let candle = candles.entry((symbol, interval, opened)).or_insert(CandleRow {
                    open: *price,
                    high: *price,
                    low: *price,
                    close: *price,
                    volume: 0,
                    trade_count: 0,
                    notional: 0,
                });
                candle.high = candle.high.max(*price);
                candle.low = candle.low.min(*price);
                candle.close = *price;
                candle.volume += u128::from(*quantity);
                candle.trade_count += 1;
                candle.notional += i128::from(*price) * i128::from(*quantity);
            }
        }
        candles
    }
}
