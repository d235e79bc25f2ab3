//! One symbol's fold: its figures, the block of the tape that is being filled, the candles that are still open.

use bytes::Bytes;
use orderledger_domain::ids::Symbol;
use orderledger_domain::money::Price;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::views::{Changes, ViewReader};
use orderledger_store::{At, Error};

use super::interval::Interval;
use super::rows::{self, Candle, DiscardedRow, MarketRow, TRADES_PER_BLOCK, Trade, TradeBlock};

/// What is kept of a symbol between two trades, and the rows that are done but not written yet.
#[derive(Debug, Default)]
pub(super) struct Tape {
    last: Option<MarketRow>,
    discarded: u64,
    block: TradeBlock,
    /// In the order of [`Interval::ALL`].
    open: [Option<(Timestamp, Candle)>; Interval::ALL.len()],
    full_blocks: Vec<(Bytes, TradeBlock)>,
    closed_candles: Vec<(Bytes, Candle)>,
}

impl Tape {
    /// A symbol as its rows say.
    pub(super) fn load(reader: &ViewReader, symbol: Symbol) -> Result<Tape, Error> {
        let missing = |what: &'static str| move || Error::corrupt(At::Frame, format!("{symbol} has no {what}"));
        let last: Option<MarketRow> = reader.get_row(&rows::market_key(symbol))?;
        let DiscardedRow(discarded) = reader.get_row(&rows::discarded_key(symbol))?.unwrap_or_default();
        let mut tape = Tape { last, discarded, ..Tape::default() };
        if !tape.last_book_seq().is_multiple_of(TRADES_PER_BLOCK) {
            let key = rows::block_key(symbol, rows::block_of(tape.last_book_seq()));
            tape.block = reader.get_row(&key)?.ok_or_else(missing("block of its last trade"))?;
        }
        let Some(last) = last else { return Ok(tape) };
        for (interval, open) in Interval::ALL.into_iter().zip(&mut tape.open) {
            let open_time = interval.open_time(last.last_time);
            let candle = reader.get_row(&rows::candle_key(symbol, interval, open_time))?;
            *open = Some((open_time, candle.ok_or_else(missing("candle of its last trade"))?));
        }
        Ok(tape)
    }

    /// The figures, if it has traded.
    pub(super) const fn last(&self) -> Option<&MarketRow> {
        self.last.as_ref()
    }

    /// The bookSeq of the last trade, be it discarded; 0 before the first.
    pub(super) fn last_book_seq(&self) -> u64 {
        self.last.map_or(0, |last| last.trade_count).saturating_add(self.discarded)
    }

    /// The symbol's next trade is never applied: its number is used up.
    pub(super) fn pass_over(&mut self, symbol: Symbol, offset: u64) {
        let (price, time) = self.last.map_or((Price::MIN, Timestamp::default()), |last| (last.last, last.last_time));
        self.discarded = self.discarded.saturating_add(1);
        self.push(symbol, Trade::hole(price, time, offset));
    }

    /// Fills the next place, whose number counts already.
    fn push(&mut self, symbol: Symbol, trade: Trade) {
        self.block.trades.push(trade);
        let book_seq = self.last_book_seq();
        if book_seq.is_multiple_of(TRADES_PER_BLOCK) {
            let key = rows::block_key(symbol, rows::block_of(book_seq));
            self.full_blocks.push((key, std::mem::take(&mut self.block)));
        }
    }

    /// The symbol's next trade.
    pub(super) fn append(&mut self, symbol: Symbol, partition: u32, trade: Trade) {
        let this = Candle::of(&trade);
        let before = self.last.unwrap_or(MarketRow {
            partition,
            trade_count: 0,
            volume: 0,
            last: trade.price,
            last_time: trade.time,
            last_offset: trade.offset,
            first: trade.price,
            first_time: trade.time,
        });
        self.last = Some(MarketRow {
            trade_count: before.trade_count.saturating_add(1),
            volume: before.volume.saturating_add(this.volume),
            last: trade.price,
            last_time: trade.time,
            last_offset: trade.offset,
            ..before
        });
        self.push(symbol, trade);
        for (interval, open) in Interval::ALL.into_iter().zip(&mut self.open) {
            let open_time = interval.open_time(trade.time);
            *open = match open.take() {
                Some((since, candle)) if since == open_time => Some((since, candle.followed_by(&this))),
                Some((since, candle)) => {
                    self.closed_candles.push((rows::candle_key(symbol, interval, since), candle));
                    Some((open_time, this))
                }
                None => Some((open_time, this)),
            };
        }
    }

    /// Writes what is done and what is open.
    pub(super) fn write_rows(&mut self, symbol: Symbol, changes: &mut Changes) -> Result<(), Error> {
        for (key, block) in self.full_blocks.drain(..) {
            changes.put_row(key, &block)?;
        }
        if !self.block.trades.is_empty() {
            changes.put_row(rows::block_key(symbol, rows::block_of(self.last_book_seq())), &self.block)?;
        }
        for (key, candle) in self.closed_candles.drain(..) {
            changes.put_row(key, &candle)?;
        }
        for (interval, open) in Interval::ALL.into_iter().zip(&self.open) {
            if let Some((open_time, candle)) = open {
                changes.put_row(rows::candle_key(symbol, interval, *open_time), candle)?;
            }
        }
        if self.discarded > 0 {
            changes.put_row(rows::discarded_key(symbol), &DiscardedRow(self.discarded))?;
        }
        self.last.map_or(Ok(()), |last| changes.put_row(rows::market_key(symbol), &last))
    }
}
