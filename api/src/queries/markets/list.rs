//! `GET /v1/markets`: every market, by symbol.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::Topic;
use orderledger_projections::market::queries::day;
use orderledger_projections::parking::queries::parked;
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::{book_progress, wait_for_books};
use crate::http::as_of::ParkedState;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{MARKET, read};
use crate::rows::MarketRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(&[Topic::Trades, Topic::Books])?;
    let order = params.query("order", |text| match text {
        "asc" => Ok(Direction::Ascending),
        "desc" => Ok(Direction::Descending),
        _ => Err("must be asc or desc"),
    });
    let wanted = params.page_in::<Symbol>(order.unwrap_or(Direction::Ascending));
    params.finish(Some(()))?;
    let min = wait_for_books(&ledger, min).await?;
    let (symbols, more) = page(ledger.board.symbols(), wanted.direction, wanted.after, wanted.limit);
    let tapes = ledger.all_of(Topic::Trades).collect();
    let listed = symbols.clone();
    let (days, mut as_of) = read(&ledger, MARKET, min, tapes, move |view| {
        let one = |symbol: &Symbol| Ok((day(view, *symbol)?, parked(view, &Entity::Symbol(*symbol))?));
        listed.iter().map(one).collect::<Result<Vec<_>, Error>>()
    })
    .await?;
    let mut rows = Vec::new();
    for (symbol, (day, parked)) in symbols.iter().zip(&days) {
        let Some(book) = ledger.board.get(*symbol) else { continue };
        as_of.add(&*ledger.log, book.partition, book_progress(&ledger, &book))?;
        rows.push(MarketRow::new(&book, day.as_ref(), parked.as_ref().map(ParkedState::from)));
    }
    let next = symbols.last().filter(|_| more).map(|last| cursor::write(&wanted.scope, last));
    answer::list(&headers, &rows, next, &as_of)
}

/// The symbols of a page, and whether more follow.
fn page(mut symbols: Vec<Symbol>, direction: Direction, after: Option<Symbol>, limit: usize) -> (Vec<Symbol>, bool) {
    if direction == Direction::Descending {
        symbols.reverse();
    }
    symbols.retain(|symbol| {
        after.is_none_or(|after| if direction == Direction::Ascending { *symbol > after } else { *symbol < after })
    });
    let more = symbols.len() > limit;
    symbols.truncate(limit);
    (symbols, more)
}
