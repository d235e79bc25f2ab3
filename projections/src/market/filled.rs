//! Candles without gaps: an interval in which nothing was traded has a row, too, at the price before it.

use orderledger_domain::ids::Symbol;
use orderledger_domain::money::Price;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::interval::Interval;
use super::queries::{Listed, Page, Within, candles, market};
use super::rows::Candle;

/// What one interval comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// What was traded in it.
    Traded(Candle),
    /// Nothing was; the last price before it.
    Empty(Price),
}

impl Filled {
    /// The price at its end.
    pub const fn close(&self) -> Price {
        match self {
            Filled::Traded(candle) => candle.close,
            Filled::Empty(price) => *price,
        }
    }
}

/// Every interval of a symbol from that of its first trade to the one that `now` lies in (or its last trade, if that is
/// later), by the time it opened; `within` is of those times. Which rows a page has follows from arithmetic, so however
/// long nothing was traded, a page costs no more than its rows.
pub fn filled_candles(
    reader: &ViewReader,
    symbol: Symbol,
    interval: Interval,
    within: Within,
    now: Timestamp,
    page: Page<Timestamp>,
) -> Result<Listed<Timestamp, Filled>, Error> {
    let nothing = Listed { rows: Vec::new(), next: None };
    let Some(market) = market(reader, symbol)? else { return Ok(nothing) };
    let step = interval.micros();
    let first = interval.open_time(market.first_time);
    let last = interval.open_time(now.max(market.last_time));
    let mut from = interval.next_open_time(within.from.unwrap_or_default().max(first)).micros();
    // The end is exclusive, and an interval may open at it only if it lies behind the end.
    let mut end = last.micros().saturating_add(step);
    if let Some(to) = within.to {
        end = end.min(interval.next_open_time(to).micros());
    }
    match (page.direction, page.after) {
        (Direction::Ascending, Some(after)) => from = from.max(interval.open_time(after).micros().saturating_add(step)),
        (Direction::Descending, Some(after)) => end = end.min(interval.next_open_time(after).micros()),
        (_, None) => {}
    }
    if from >= end {
        return Ok(nothing);
    }
    let room = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_mul(step);
    let more = end.saturating_sub(from) > room;
    match page.direction {
        Direction::Ascending if more => end = from.saturating_add(room),
        Direction::Descending if more => from = end.saturating_sub(room),
        _ => {}
    }
    let mut rows = rows(reader, symbol, interval, from, end)?;
    if page.direction == Direction::Descending {
        rows.reverse();
    }
    let next = rows.last().map(|(open, _)| *open).filter(|_| more);
    Ok(Listed { rows, next })
}

/// The intervals that open from `from` on and before `end`, both whole ones, oldest first.
fn rows(
    reader: &ViewReader,
    symbol: Symbol,
    interval: Interval,
    from: i64,
    end: i64,
) -> Result<Vec<(Timestamp, Filled)>, Error> {
    let [since, until] = [from, end].map(Timestamp::from_micros);
    let before = Page { direction: Direction::Descending, after: None, limit: 1 };
    let before = candles(reader, symbol, interval, Within { from: None, to: Some(since) }, before)?;
    let mut close = before.rows.first().map(|(_, candle)| candle.close);
    let all = Page { direction: Direction::Ascending, after: None, limit: usize::MAX };
    let traded = candles(reader, symbol, interval, Within { from: Some(since), to: Some(until) }, all)?;
    let mut traded = traded.rows.into_iter().peekable();
    let mut rows = Vec::new();
    let mut open = from;
    while open < end {
        let at = Timestamp::from_micros(open);
        let row = match traded.next_if(|(of, _)| *of == at) {
            Some((_, candle)) => Some(Filled::Traded(candle)),
            None => close.map(Filled::Empty),
        };
        // Nothing lies before the first trade: its interval has one.
        if let Some(row) = row {
            close = Some(row.close());
            rows.push((at, row));
        }
        open = open.saturating_add(interval.micros());
    }
    Ok(rows)
}
