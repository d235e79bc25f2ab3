//! Past moments of a market: the tape up to a trade, and what the candles and the figures of a day were then.

use orderledger_domain::ids::Symbol;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::interval::Interval;
use super::super::rows::{self, Candle, Trade};
use super::{Day, Listed, Page, TapeReader, Within, candles, follow, market, take_page};

/// A past moment of a symbol's partition of `trades`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After the record at this offset.
    Offset(u64),
    /// Before any record.
    Nothing,
    /// What had happened by then. Times never fall along a tape.
    Happened(Timestamp),
}

impl TapeReader<'_> {
    /// One behind the number of the last trade of then.
    pub(super) fn end(&mut self, until: Option<Until>) -> Result<u64, Error> {
        match until {
            None => Ok(self.last_book_seq.saturating_add(1)),
            Some(Until::Nothing) => Ok(1),
            Some(Until::Offset(last)) => self.first_behind(|trade| trade.offset <= last),
            Some(Until::Happened(by)) => self.first_behind(|trade| trade.time <= by),
        }
    }

    /// The last trade below a number.
    fn last_below(&mut self, end: u64) -> Result<Option<Trade>, Error> {
        for book_seq in (1..end).rev() {
            let trade = self.trade(book_seq)?;
            if !trade.is_hole() {
                return Ok(Some(trade));
            }
        }
        Ok(None)
    }

    /// Adds the trades of a range of numbers.
    fn add_trades(&mut self, figures: &mut Option<Candle>, range: std::ops::Range<u64>) -> Result<(), Error> {
        for book_seq in range {
            let trade = self.trade(book_seq)?;
            if !trade.is_hole() {
                follow(figures, &Candle::of(&trade));
            }
        }
        Ok(())
    }

    fn add_candles(
        &self,
        figures: &mut Option<Candle>,
        interval: Interval,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), Error> {
        if from < to {
            let keys = rows::candle_key(self.symbol, interval, from)..rows::candle_key(self.symbol, interval, to);
            for row in self.reader.scan_rows::<Candle, _>(keys, Direction::Ascending) {
                follow(figures, &row?.1);
            }
        }
        Ok(())
    }

    /// What the trades from a moment on and below a number come to, `last` being the last of them: whole hours and minutes
    /// from their candles, the rest from the tape.
    fn figures(&mut self, from: Timestamp, end: u64, last: &Trade) -> Result<Option<Candle>, Error> {
        let mut figures = None;
        let minutes_end = Interval::Minute.open_time(last.time);
        let minutes = Interval::Minute.next_open_time(from);
        if minutes >= minutes_end {
            let start = self.first_not_before(from)?;
            self.add_trades(&mut figures, start..end)?;
            return Ok(figures);
        }
        let head = self.range(Within { from: Some(from), to: Some(minutes) })?;
        self.add_trades(&mut figures, head)?;
        let (hours, hours_end) = (Interval::Hour.next_open_time(minutes), Interval::Hour.open_time(minutes_end));
        if hours < hours_end {
            self.add_candles(&mut figures, Interval::Minute, minutes, hours)?;
            self.add_candles(&mut figures, Interval::Hour, hours, hours_end)?;
            self.add_candles(&mut figures, Interval::Minute, hours_end, minutes_end)?;
        } else {
            self.add_candles(&mut figures, Interval::Minute, minutes, minutes_end)?;
        }
        let tail = self.first_not_before(minutes_end)?;
        self.add_trades(&mut figures, tail..end)?;
        Ok(figures)
    }
}

/// The figures of the 24 hours that ended at the last trade of then; `None` if there was none.
pub fn day_until(reader: &ViewReader, symbol: Symbol, until: Until) -> Result<Option<Day>, Error> {
    let Some(market) = market(reader, symbol)? else { return Ok(None) };
    let mut tape = TapeReader::new(reader, symbol, &market)?;
    let end = tape.end(Some(until))?;
    let Some(last) = tape.last_below(end)? else { return Ok(None) };
    let after = last.time.micros().saturating_sub(Interval::Day.micros());
    let figures = tape.figures(Timestamp::from_micros(after.saturating_add(1)), end, &last)?;
    Ok(figures.map(|figures| Day { figures, last_time: last.time }))
}

/// The candles as they were then: those before the last trade's are whole, the last trade's own is made of its trades up
/// to then, and later ones were not there.
pub fn candles_until(
    reader: &ViewReader,
    symbol: Symbol,
    interval: Interval,
    within: Within,
    until: Until,
    page: Page<Timestamp>,
) -> Result<Listed<Timestamp, Candle>, Error> {
    let nothing = || Ok(Listed { rows: Vec::new(), next: None });
    let Some(market) = market(reader, symbol)? else { return nothing() };
    let mut tape = TapeReader::new(reader, symbol, &market)?;
    let end = tape.end(Some(until))?;
    let Some(last) = tape.last_below(end)? else { return nothing() };
    let newest = interval.open_time(last.time);
    let is_behind = page.after.is_none_or(|after| match page.direction {
        Direction::Ascending => newest > after,
        Direction::Descending => newest < after,
    });
    let is_within = within.from.is_none_or(|from| newest >= from) && within.to.is_none_or(|to| newest < to);
    let own = if is_within && is_behind { tape.figures(newest, end, &last)? } else { None };
    let own = own.map(|candle| Ok((newest, candle)));
    let before = Within { to: Some(within.to.map_or(newest, |to| to.min(newest))), ..within };
    // One more than fits, so that it is known whether more follow.
    let earlier = Page { limit: page.limit.saturating_add(1), ..page };
    let earlier = candles(reader, symbol, interval, before, earlier)?.rows.into_iter().map(Ok);
    match page.direction {
        Direction::Ascending => take_page(earlier.chain(own), page.limit),
        Direction::Descending => take_page(own.into_iter().chain(earlier), page.limit),
    }
}
