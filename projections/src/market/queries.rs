//! What is read of the market view. Every question is answered from one moment of it.

use orderledger_domain::ids::Symbol;
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{self, KeyBuilder};
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};

use super::interval::Interval;
use super::rows::{self, Candle, DiscardedRow, MarketRow, TRADES_PER_BLOCK, Trade, TradeBlock};

mod past;

pub use past::{Until, candles_until, day_until};

/// Which part of a list is wanted. `K` is what the list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// Ascending, or the newest (the highest) first.
    pub direction: Direction,
    /// Go on behind this one, in the page's direction.
    pub after: Option<K>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<K, R> {
    /// The rows, each with what it is ordered by.
    pub rows: Vec<(K, R)>,
    /// The `after` of the next page; `None` if this was the last.
    pub next: Option<K>,
}

/// A moment and everything up to another: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// The figures of the 24 hours that end at a symbol's last trade, which are (last − 24 h, last].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Open, high, low, last (`close`), volume, vwap and tradeCount of the window.
    pub figures: Candle,
    /// When the last trade happened.
    pub last_time: Timestamp,
}

impl Day {
    /// The last price less the window's first, perhaps negative.
    pub fn change(&self) -> Amount {
        let units = |price: orderledger_domain::money::Price| Amount::from_units(i128::from(price.units()));
        units(self.figures.close).minus(units(self.figures.open))
    }
}

/// A trade of the tape with its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeTrade {
    /// The trade.
    pub trade: Trade,
    /// Where its record stands.
    pub position: Position,
}

/// A symbol's figures over all time; `None` before its first trade.
pub fn market(reader: &ViewReader, symbol: Symbol) -> Result<Option<MarketRow>, Error> {
    reader.get_row(&rows::market_key(symbol))
}

/// Every symbol that has traded, by name.
pub fn symbols(reader: &ViewReader, page: Page<Symbol>) -> Result<Listed<Symbol, MarketRow>, Error> {
    let prefix = [keys::MARKET];
    let end = keys::after_prefix(&prefix).unwrap_or_default();
    let behind = page.after.map(|symbol| rows::market_key(symbol).to_vec());
    let (low, high) = match (page.direction, behind) {
        // The shortest key that is higher than another is that one and a zero.
        (Direction::Ascending, Some(behind)) => ([behind, vec![0]].concat(), end),
        (Direction::Descending, Some(behind)) => (prefix.to_vec(), behind),
        (_, None) => (prefix.to_vec(), end),
    };
    let found = reader.scan_rows::<MarketRow, _>(low..high, page.direction);
    let named = found.map(|row| row.and_then(|(key, row)| Ok((rows::symbol_of_market_key(&key)?, row))));
    take_page(named, page.limit)
}

/// The figures of the last 24 hours; `None` before the first trade.
pub fn day(reader: &ViewReader, symbol: Symbol) -> Result<Option<Day>, Error> {
    let Some(market) = market(reader, symbol)? else { return Ok(None) };
    // The window's edge may lie before 1970, where nothing was traded.
    let after = market.last_time.micros().saturating_sub(Interval::Day.micros());
    let from = Timestamp::from_micros(after.saturating_add(1));
    let minute = Interval::Minute.next_open_time(from);
    let hour = Interval::Hour.next_open_time(from);
    let mut figures = None;
    // The rest of the minute in which the window begins; most often nothing was traded in it.
    let begun = Timestamp::from_micros(minute.micros().saturating_sub(Interval::Minute.micros()));
    if reader.get(&rows::candle_key(symbol, Interval::Minute, begun))?.is_some() {
        let mut tape = TapeReader::new(reader, symbol, &market)?;
        for book_seq in tape.range(Within { from: Some(from), to: Some(minute) })? {
            let trade = tape.trade(book_seq)?;
            if !trade.is_hole() {
                follow(&mut figures, &Candle::of(&trade));
            }
        }
    }
    let to = Timestamp::from_micros(i64::MAX);
    for (interval, from, to) in [(Interval::Minute, minute, hour), (Interval::Hour, hour, to)] {
        let keys = rows::candle_key(symbol, interval, from)..rows::candle_key(symbol, interval, to);
        for row in reader.scan_rows::<Candle, _>(keys, Direction::Ascending) {
            follow(&mut figures, &row?.1);
        }
    }
    Ok(figures.map(|figures| Day { figures, last_time: market.last_time }))
}

fn follow(figures: &mut Option<Candle>, later: &Candle) {
    *figures = Some(figures.map_or(*later, |earlier: Candle| earlier.followed_by(later)));
}

/// A symbol's last trade, by bookSeq.
pub fn last_trade(reader: &ViewReader, symbol: Symbol) -> Result<Option<(u64, TapeTrade)>, Error> {
    let page = Page { direction: Direction::Descending, after: None, limit: 1 };
    Ok(trades(reader, symbol, Within::default(), page)?.rows.into_iter().next())
}

/// The tape of a symbol, by bookSeq.
pub fn trades(
    reader: &ViewReader,
    symbol: Symbol,
    within: Within,
    page: Page<u64>,
) -> Result<Listed<u64, TapeTrade>, Error> {
    trades_until(reader, symbol, within, None, page)
}

/// The tape of a symbol, perhaps as it was at a past moment.
pub fn trades_until(
    reader: &ViewReader,
    symbol: Symbol,
    within: Within,
    until: Option<Until>,
    page: Page<u64>,
) -> Result<Listed<u64, TapeTrade>, Error> {
    let Some(market) = market(reader, symbol)? else { return Ok(Listed { rows: Vec::new(), next: None }) };
    let mut tape = TapeReader::new(reader, symbol, &market)?;
    let std::ops::Range { mut start, mut end } = tape.range(within)?;
    end = end.min(tape.end(until)?);
    match (page.direction, page.after) {
        (Direction::Ascending, Some(after)) => start = start.max(after.saturating_add(1)),
        (Direction::Descending, Some(after)) => end = end.min(after),
        (_, None) => {}
    }
    let mut read = |book_seq| {
        let trade = match tape.trade(book_seq) {
            Ok(trade) if trade.is_hole() => return None,
            trade => trade,
        };
        let named =
            |trade: Trade| TapeTrade { trade, position: Topic::Trades.at(market.partition).offset(trade.offset) };
        Some(trade.map(|trade| (book_seq, named(trade))))
    };
    match page.direction {
        Direction::Ascending => take_page((start..end).filter_map(&mut read), page.limit),
        Direction::Descending => take_page((start..end).rev().filter_map(&mut read), page.limit),
    }
}

/// The bookSeq that follows the newest place of a symbol's tape; 1 before its first trade.
pub fn next_book_seq(reader: &ViewReader, symbol: Symbol) -> Result<u64, Error> {
    let Some(market) = market(reader, symbol)? else { return Ok(1) };
    Ok(TapeReader::new(reader, symbol, &market)?.last_book_seq.saturating_add(1))
}

/// The bookSeq of a symbol's first place in the tape whose record stands behind that offset; one behind the newest if there
/// is none.
pub fn book_seq_behind(reader: &ViewReader, symbol: Symbol, offset: u64) -> Result<u64, Error> {
    let Some(market) = market(reader, symbol)? else { return Ok(1) };
    let mut tape = TapeReader::new(reader, symbol, &market)?;
    let (mut low, mut high) = (1, tape.last_book_seq.saturating_add(1));
    // Offsets rise along the tape.
    while low < high {
        let middle = low.midpoint(high);
        if tape.trade(middle)?.offset <= offset {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The candles of a symbol, by the time they opened; `within` is of those times. A time without a trade has none.
pub fn candles(
    reader: &ViewReader,
    symbol: Symbol,
    interval: Interval,
    within: Within,
    page: Page<Timestamp>,
) -> Result<Listed<Timestamp, Candle>, Error> {
    let mut from = within.from.unwrap_or_default().micros();
    let mut to = within.to.map_or(i64::MAX, Timestamp::micros);
    match (page.direction, page.after) {
        (Direction::Ascending, Some(after)) => from = from.max(after.micros().saturating_add(1)),
        (Direction::Descending, Some(after)) => to = to.min(after.micros()),
        (_, None) => {}
    }
    if from >= to {
        return Ok(Listed { rows: Vec::new(), next: None });
    }
    let key =
        |micros: i64| KeyBuilder::new(keys::CANDLE).name(symbol.as_str()).u8(interval.number()).i64(micros).build();
    let found = reader.scan_rows::<Candle, _>(key(from)..key(to), page.direction);
    let timed = found.map(|row| row.and_then(|(key, row)| Ok((rows::open_time_of_candle_key(&key)?, row))));
    take_page(timed, page.limit)
}

fn take_page<K: Copy, R>(
    mut rows: impl Iterator<Item = Result<(K, R), Error>>,
    limit: usize,
) -> Result<Listed<K, R>, Error> {
    let taken = rows.by_ref().take(limit).collect::<Result<Vec<_>, Error>>()?;
    let more = rows.next().transpose()?.is_some();
    let next = taken.last().map(|(key, _)| *key).filter(|_| more);
    Ok(Listed { rows: taken, next })
}

/// A symbol's tape as the reader has it, with the block that was read last.
struct TapeReader<'a> {
    reader: &'a ViewReader,
    symbol: Symbol,
    last_book_seq: u64,
    block: Option<(u64, TradeBlock)>,
}

impl<'a> TapeReader<'a> {
    fn new(reader: &'a ViewReader, symbol: Symbol, market: &MarketRow) -> Result<TapeReader<'a>, Error> {
        let DiscardedRow(discarded) = reader.get_row(&rows::discarded_key(symbol))?.unwrap_or_default();
        let last_book_seq = market.trade_count.saturating_add(discarded);
        Ok(TapeReader { reader, symbol, last_book_seq, block: None })
    }

    fn trade(&mut self, book_seq: u64) -> Result<Trade, Error> {
        let first = rows::block_of(book_seq);
        if self.block.as_ref().is_none_or(|(of, _)| *of != first) {
            let block = self.reader.get_row(&rows::block_key(self.symbol, first))?;
            self.block = block.map(|block| (first, block));
        }
        let index = usize::try_from(book_seq.saturating_sub(first)).unwrap_or(usize::MAX);
        let trade = self.block.as_ref().and_then(|(_, block)| block.trades.get(index));
        let missing = || Error::corrupt(At::Frame, format!("the tape lacks {}", rows::trade_id(self.symbol, book_seq)));
        trade.copied().ok_or_else(missing)
    }

    /// The numbers of the trades within.
    fn range(&mut self, within: Within) -> Result<std::ops::Range<u64>, Error> {
        let start = within.from.map_or(Ok(1), |from| self.first_not_before(from))?;
        let end = within.to.map_or(Ok(self.last_book_seq.saturating_add(1)), |to| self.first_not_before(to))?;
        Ok(start..end)
    }

    /// The number of the first trade at that moment or later; one behind the last if there is none.
    fn first_not_before(&mut self, moment: Timestamp) -> Result<u64, Error> {
        self.first_behind(|trade| trade.time < moment)
    }

    /// The number of the first trade that is not `before`; one behind the last if there is none. Times and offsets never
    /// fall along the tape: first the block is found by halving, then the trade in it.
    fn first_behind(&mut self, before: impl Fn(&Trade) -> bool) -> Result<u64, Error> {
        let blocks = self.last_book_seq.div_ceil(TRADES_PER_BLOCK);
        let (mut low, mut high) = (0, blocks);
        while low < high {
            let middle = low.midpoint(high);
            let last = middle.saturating_add(1).saturating_mul(TRADES_PER_BLOCK).min(self.last_book_seq);
            if before(&self.trade(last)?) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        let first = low.saturating_mul(TRADES_PER_BLOCK).saturating_add(1);
        if low == blocks {
            return Ok(self.last_book_seq.saturating_add(1));
        }
        self.trade(first)?;
        let earlier = self.block.as_ref().map_or(0, |(_, block)| block.trades.partition_point(&before));
        Ok(first.saturating_add(u64::try_from(earlier).unwrap_or(0)))
    }
}
