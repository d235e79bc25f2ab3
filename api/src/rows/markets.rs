//! Prices, depth, the tape and candles.

use orderledger_domain::ids::Symbol;
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::position::Position;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::market::filled::Filled;
use orderledger_projections::market::queries::{Day, TapeTrade};
use orderledger_projections::market::rows;
use orderledger_projections::worker::board::{BookView, LevelView};
use serde::Serialize;

use super::Decimal;
use crate::http::as_of::ParkedState;

/// A symbol's best prices, and the figures of the 24 hours that end at its last trade.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarketRow {
    symbol: Symbol,
    last: Option<Decimal<Price>>,
    bid: Option<Decimal<Price>>,
    bid_size: Option<u64>,
    ask: Option<Decimal<Price>>,
    ask_size: Option<u64>,
    open: Option<Decimal<Price>>,
    high: Option<Decimal<Price>>,
    low: Option<Decimal<Price>>,
    volume: u128,
    vwap: Option<Decimal<Amount>>,
    trade_count: u64,
    change: Option<Decimal<Amount>>,
    /// In a list: set if the market is parked. An answer about one market says it beside the row.
    #[serde(flatten)]
    parked: Option<ParkedState>,
}

impl MarketRow {
    pub(crate) fn new(book: &BookView, day: Option<&Day>, parked: Option<ParkedState>) -> MarketRow {
        MarketRow {
            bid: book.bids.first().map(|level| Decimal(level.price)),
            bid_size: book.bids.first().map(|level| level.quantity),
            ask: book.asks.first().map(|level| Decimal(level.price)),
            ask_size: book.asks.first().map(|level| level.quantity),
            ..MarketRow::of_tape(book.symbol, day, parked)
        }
    }

    /// What the tape alone says: of a past moment no book is kept.
    pub(crate) fn of_tape(symbol: Symbol, day: Option<&Day>, parked: Option<ParkedState>) -> MarketRow {
        let figures = day.map(|day| &day.figures);
        MarketRow {
            symbol,
            last: figures.map(|figures| Decimal(figures.close)),
            bid: None,
            bid_size: None,
            ask: None,
            ask_size: None,
            open: figures.map(|figures| Decimal(figures.open)),
            high: figures.map(|figures| Decimal(figures.high)),
            low: figures.map(|figures| Decimal(figures.low)),
            volume: figures.map_or(0, |figures| figures.volume),
            vwap: figures.map(|figures| Decimal(figures.vwap())),
            trade_count: figures.map_or(0, |figures| figures.trade_count),
            change: day.map(|day| Decimal(day.change())),
            parked,
        }
    }
}

/// A symbol's book, best first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BookRow {
    symbol: Symbol,
    bids: Vec<LevelRow>,
    asks: Vec<LevelRow>,
    /// The last record of `books` that is in it.
    position: Option<Position>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct LevelRow {
    price: Decimal<Price>,
    quantity: u64,
    orders: u32,
}

impl LevelRow {
    pub(super) fn new(level: &LevelView) -> LevelRow {
        LevelRow { price: Decimal(level.price), quantity: level.quantity, orders: level.orders }
    }

    /// A price at which nothing rests any more.
    pub(super) fn gone(price: Price) -> LevelRow {
        LevelRow { price: Decimal(price), quantity: 0, orders: 0 }
    }
}

impl BookRow {
    pub(crate) fn new(book: &BookView, depth: usize) -> BookRow {
        BookRow {
            symbol: book.symbol,
            bids: book.bids.iter().take(depth).map(LevelRow::new).collect(),
            asks: book.asks.iter().take(depth).map(LevelRow::new).collect(),
            position: book.next_offset.checked_sub(1).map(|offset| book.partition.offset(offset)),
        }
    }
}

/// One trade of the tape.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradeRow {
    trade_id: String,
    symbol: Symbol,
    price: Decimal<Price>,
    quantity: Quantity,
    taker_side: Side,
    book_seq: u64,
    time: Timestamp,
    position: Position,
}

impl TradeRow {
    pub(crate) fn new(symbol: Symbol, book_seq: u64, row: TapeTrade) -> TradeRow {
        let TapeTrade { trade, position } = row;
        TradeRow {
            trade_id: rows::trade_id(symbol, book_seq),
            symbol,
            price: Decimal(trade.price),
            quantity: trade.quantity,
            taker_side: trade.taker_side,
            book_seq,
            time: trade.time,
            position,
        }
    }
}

/// One candle.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandleRow {
    open_time: Timestamp,
    open: Decimal<Price>,
    high: Decimal<Price>,
    low: Decimal<Price>,
    close: Decimal<Price>,
    volume: u128,
    trade_count: u64,
    /// Null where nothing was traded.
    vwap: Option<Decimal<Amount>>,
}

impl CandleRow {
    /// An interval that may have no trades.
    pub(crate) fn filled(open_time: Timestamp, row: &Filled) -> CandleRow {
        match row {
            Filled::Traded(candle) => CandleRow::new(open_time, candle),
            Filled::Empty(price) => {
                let price = Decimal(*price);
                let (open, high, low, close) = (price, price, price, price);
                CandleRow { open_time, open, high, low, close, volume: 0, trade_count: 0, vwap: None }
            }
        }
    }

    pub(crate) fn new(open_time: Timestamp, candle: &rows::Candle) -> CandleRow {
        CandleRow {
            open_time,
            open: Decimal(candle.open),
            high: Decimal(candle.high),
            low: Decimal(candle.low),
            close: Decimal(candle.close),
            volume: candle.volume,
            trade_count: candle.trade_count,
            vwap: Some(Decimal(candle.vwap())),
        }
    }
}
