//! `GET /v1/markets/{symbol}/book`: depth, best first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;

use super::{book_of, book_progress, wait_for_books, wait_for_fresh_books};
use crate::http::answer;
use crate::http::as_of::AsOf;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::BookRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let symbol = params.path("symbol", Symbol::new);
    let min = params.min_position(&[Topic::Books])?;
    let depth = params.number("depth", 1, 1000).and_then(|depth| usize::try_from(depth).ok()).unwrap_or(20);
    let symbol = params.finish(symbol)?;
    let min = wait_for_books(&ledger, min).await?;
    let home = ledger.partition_of_symbol(Topic::Books, symbol.as_str());
    wait_for_fresh_books(&ledger, &[home], min.within, min.stale_max).await?;
    let (book, below) = book_of(&ledger, symbol)?;
    let mut as_of = AsOf::default();
    as_of.add(&*ledger.log, book.partition, book_progress(&book, below))?;
    answer::object(&headers, &BookRow::new(&book, depth), &as_of)
}
