//! `GET /v1/markets/{symbol}/candles`: open, high, low, close, volume and vwap by interval, with `fill` without gaps.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::market::filled::{Filled, filled_candles};
use orderledger_projections::market::interval::Interval;
use orderledger_projections::market::queries::{Listed, Page, Within, candles, candles_until, market};
use orderledger_store::views::ViewReader;

use super::{book_of, of_symbol, until_of, wait_for_tape};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::{Ledger, now};
use crate::queries::then::Asked;
use crate::rows::CandleRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let mut min = params.min_position(&[Topic::Trades])?;
    let wanted = params.page::<Timestamp>();
    let within = Within { from: params.moment("from"), to: params.moment("to") };
    let read_interval = |text: &str| text.parse::<Interval>().map_err(|_| "must be 1m, 5m, 15m, 1h or 1d");
    let interval = params.query("interval", read_interval).unwrap_or(Interval::Minute);
    let asked = Asked::of(&mut params);
    let fill = params.query("fill", |text| if text == "previous" { Ok(()) } else { Err("must be previous") });
    if fill.is_some() && asked.is_past() {
        params.refuse("fill", "is for candles as they are now: leave out asOfPosition and asOfTime");
    }
    let symbol = params.finish(symbol)?;
    // Times without a trade are filled up to now: what follows on them is right whatever the tape has.
    if let Some(after) = wanted.after.filter(|_| fill.is_none()) {
        let has_it = |view: &ViewReader| Ok(market(view, symbol)?.is_some_and(|row| row.last_time >= after));
        wait_for_tape(&ledger, min.within, has_it).await?;
    }
    let home = ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let page = Page { direction: wanted.direction, after: wanted.after, limit: wanted.limit };
    let now = now();
    let read = move |view: &ViewReader| {
        if fill.is_some() {
            return filled_candles(view, symbol, interval, within, now, page);
        }
        let Listed { rows, next } = match until_of(then) {
            None => candles(view, symbol, interval, within, page)?,
            Some(until) => candles_until(view, symbol, interval, within, until, page)?,
        };
        Ok(Listed { rows: rows.into_iter().map(|(open, candle)| (open, Filled::Traded(candle))).collect(), next })
    };
    let (listed, as_of) = of_symbol(&ledger, symbol, min, read).await?;
    if listed.rows.is_empty() {
        // What has traded is known, whether or not its book is read back yet.
        book_of(&ledger, symbol)?;
    }
    let as_of = then.said(&ledger, home, as_of).await?;
    let rows: Vec<CandleRow> = listed.rows.iter().map(|(open, row)| CandleRow::filled(*open, row)).collect();
    let next = listed.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
