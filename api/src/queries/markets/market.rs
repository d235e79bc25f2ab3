//! `GET /v1/markets/{symbol}`: best prices and the figures of 24 hours.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries::day;

use super::{book_of, book_progress, of_symbol, wait_for_books};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::MarketRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(&[Topic::Trades, Topic::Books])?;
    let symbol = params.finish(symbol)?;
    let min = wait_for_books(&ledger, min).await?;
    let (day, mut as_of) = of_symbol(&ledger, symbol, min, move |view| day(view, symbol)).await?;
    let book = book_of(&ledger, symbol)?;
    as_of.add(&*ledger.log, book.partition, book_progress(&ledger, &book))?;
    answer::object(&headers, &MarketRow::new(&book, day.as_ref(), None), &as_of)
}
