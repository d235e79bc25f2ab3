//! `GET /v1/markets/{symbol}`: best prices and the figures of 24 hours.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries::{day, day_until};
use orderledger_store::views::ViewReader;

use super::{book_of, book_progress, look_up_symbol, of_symbol, until_of, wait_for_books, wait_for_fresh_books};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::queries::then::Asked;
use crate::rows::MarketRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(&[Topic::Trades, Topic::Books])?;
    let asked = Asked::of(&mut params);
    let symbol = params.finish(symbol)?;
    let mut min = wait_for_books(&ledger, min).await?;
    if asked.is_past() {
        let home = ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
        let then = asked.at(&ledger, home, &mut min).await?;
        let read = move |view: &ViewReader| until_of(then).map_or(Ok(None), |until| day_until(view, symbol, until));
        let (day, as_of) = of_symbol(&ledger, symbol, min, read).await?;
        if day.is_none() {
            book_of(&ledger, symbol)?;
        }
        let as_of = then.said(&ledger, home, as_of).await?;
        return answer::object(&headers, &MarketRow::of_tape(symbol, day.as_ref(), None), &as_of);
    }
    let home = ledger.partition_of_symbol(Topic::Books, symbol.as_str());
    wait_for_fresh_books(&ledger, &[home], min.within, min.stale_max).await?;
    let (day, mut as_of) = look_up_symbol(&ledger, symbol, min, move |view| day(view, symbol)).await?;
    let (book, below) = book_of(&ledger, symbol)?;
    as_of.add(&*ledger.log, book.partition, book_progress(&book, below))?;
    answer::object(&headers, &MarketRow::new(&book, day.as_ref(), None), &as_of)
}
