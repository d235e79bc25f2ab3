//! `GET /v1/markets`: every market, by symbol.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::market::queries::{Until, day, day_until};
use orderledger_projections::parking::queries::parked;
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::{book_progress, until_of, wait_for_books, wait_for_fresh_books};
use crate::http::as_of::ParkedState;
use crate::http::params::{MinPosition, Params, Wanted};
use crate::http::problem::{FieldError, Problem};
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::then::{Asked, Then};
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
    let asked = Asked::of(&mut params);
    params.finish(Some(()))?;
    let min = wait_for_books(&ledger, min).await?;
    if asked.is_past() {
        return past(&ledger, &headers, &asked, min, &wanted).await;
    }
    let books: Vec<TopicPartition> = ledger.all_of(Topic::Books).collect();
    wait_for_fresh_books(&ledger, &books, min.within, min.stale_max).await?;
    let (symbols, more) = page(ledger.markets(), wanted.direction, wanted.after, wanted.limit);
    let tapes = ledger.all_of(Topic::Trades).collect();
    let listed = symbols.clone();
    let (days, mut as_of) = read(&ledger, MARKET, min, tapes, move |view| {
        let one = |symbol: &Symbol| Ok((day(view, *symbol)?, parked(view, &Entity::Symbol(*symbol))?));
        listed.iter().map(one).collect::<Result<Vec<_>, Error>>()
    })
    .await?;
    let mut rows = Vec::new();
    for (symbol, (day, parked)) in symbols.iter().zip(&days) {
        let Some((book, below)) = ledger.board.get_at(*symbol) else { continue };
        as_of.add(&*ledger.log, book.partition, book_progress(&book, below))?;
        rows.push(MarketRow::new(&book, day.as_ref(), parked.as_ref().map(ParkedState::from)));
    }
    let next = symbols.last().filter(|_| more).map(|last| cursor::write(&wanted.scope, last));
    answer::list(&headers, &rows, next, &as_of)
}

/// Every market as its tape was then. Where positions are given, they are of the partitions that they name: the markets of
/// others are left out.
async fn past(
    ledger: &Arc<Ledger>,
    headers: &HeaderMap,
    asked: &Asked,
    mut min: MinPosition,
    wanted: &Wanted<Symbol>,
) -> Result<Response, Problem> {
    let tapes: Vec<TopicPartition> = ledger.all_of(Topic::Trades).filter(|of| !asked.leaves_out(*of)).collect();
    if tapes.is_empty() {
        let error = FieldError::parameter("asOfPosition", "must name a position in trades, where the tapes stand");
        return Err(Problem::invalid(vec![error]));
    }
    let mut thens: BTreeMap<TopicPartition, Then> = BTreeMap::new();
    for of in &tapes {
        thens.insert(*of, asked.at(ledger, *of, &mut min).await?);
    }
    let home = |symbol: &Symbol| ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
    let symbols = ledger.markets().into_iter().filter(|symbol| thens.contains_key(&home(symbol)));
    let (symbols, more) = page(symbols.collect(), wanted.direction, wanted.after, wanted.limit);
    let asked_for: Vec<(Symbol, Option<Until>)> =
        symbols.iter().map(|symbol| (*symbol, thens.get(&home(symbol)).copied().and_then(until_of))).collect();
    let (rows, mut as_of) = read(ledger, MARKET, min, tapes, move |view| {
        let one = |(symbol, until): &(Symbol, Option<Until>)| {
            let day = until.map_or(Ok(None), |until| day_until(view, *symbol, until))?;
            let parked = parked(view, &Entity::Symbol(*symbol))?;
            Ok(MarketRow::of_tape(*symbol, day.as_ref(), parked.as_ref().map(ParkedState::from)))
        };
        asked_for.iter().map(one).collect::<Result<Vec<_>, Error>>()
    })
    .await?;
    for (of, then) in &thens {
        as_of = then.said(ledger, *of, as_of).await?;
    }
    let next = symbols.last().filter(|_| more).map(|last| cursor::write(&wanted.scope, last));
    answer::list(headers, &rows, next, &as_of)
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
