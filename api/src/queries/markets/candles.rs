//! `GET /v1/markets/{symbol}/candles`: open, high, low, close, volume and vwap by interval.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::market::interval::Interval;
use orderledger_projections::market::queries::{Page, Within, candles};

use super::{book_of, of_symbol};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::CandleRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(&[Topic::Trades])?;
    let wanted = params.page::<Timestamp>();
    let within = Within { from: params.moment("from"), to: params.moment("to") };
    let read_interval = |text: &str| text.parse::<Interval>().map_err(|_| "must be 1m, 5m, 15m, 1h or 1d");
    let interval = params.query("interval", read_interval).unwrap_or(Interval::Minute);
    let symbol = params.finish(symbol)?;
    let page = Page { direction: wanted.direction, after: wanted.after, limit: wanted.limit };
    let (listed, as_of) =
        of_symbol(&ledger, symbol, min, move |view| candles(view, symbol, interval, within, page)).await?;
    book_of(&ledger, symbol)?;
    let rows: Vec<CandleRow> = listed.rows.iter().map(|(open, candle)| CandleRow::new(*open, candle)).collect();
    let next = listed.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
