//! `GET /v1/markets/{symbol}/trades`: the tape.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries::{Page, Within, trades};

use super::{book_of, of_symbol};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::TradeRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(&[Topic::Trades])?;
    let wanted = params.page::<u64>();
    let within = Within { from: params.moment("from"), to: params.moment("to") };
    let symbol = params.finish(symbol)?;
    let page = Page { direction: wanted.direction, after: wanted.after, limit: wanted.limit };
    let (listed, as_of) = of_symbol(&ledger, symbol, min, move |view| trades(view, symbol, within, page)).await?;
    book_of(&ledger, symbol)?;
    let row = |(book_seq, trade)| TradeRow::new(symbol, book_seq, trade);
    let rows: Vec<TradeRow> = listed.rows.into_iter().map(row).collect();
    let next = listed.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
