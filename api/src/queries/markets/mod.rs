//! Prices, books, the tape and candles.

pub(crate) mod book;
pub(crate) mod candles;
pub(crate) mod list;
pub(crate) mod market;
pub(crate) mod trades;

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic};
use orderledger_projections::parking::queries::parked;
use orderledger_projections::worker::board::BookView;
use orderledger_projections::worker::progress::PartitionProgress;

use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::{MARKET, exist, not_reached, read};
use crate::http::as_of::AsOf;
use crate::http::params::MinPosition;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

/// A symbol's published book: a market exists from its first accepted order.
fn book_of(ledger: &Ledger, symbol: Symbol) -> Result<Arc<BookView>, Problem> {
    let unknown = || Problem::not_found("unknown-market", "no order of this symbol was ever accepted");
    ledger.board.get(symbol).ok_or_else(unknown)
}

/// Reads the tape of one symbol, and whether it is parked.
async fn of_symbol<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    symbol: Symbol,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    let rests_on = vec![ledger.partition_of_symbol(Topic::Trades, symbol.as_str())];
    let read =
        read(ledger, MARKET, min, rests_on, move |view| Ok((rows(view)?, parked(view, &Entity::Symbol(symbol))?)));
    let ((rows, parked), as_of) = read.await?;
    Ok((rows, as_of.of_entity(parked.as_ref())))
}

/// How far the published books of a partition are.
fn book_progress(ledger: &Ledger, book: &BookView) -> PartitionProgress {
    let published = ledger.board.positions().borrow().get(&book.partition).copied();
    PartitionProgress {
        next_offset: published.unwrap_or_default().max(book.next_offset),
        recorded_at: book.recorded_at,
        ..PartitionProgress::default()
    }
}

/// Waits for those of the positions that are in `books`; gives the others back.
async fn wait_for_books(ledger: &Ledger, min: MinPosition) -> Result<MinPosition, Problem> {
    exist(ledger, &min.positions)?;
    let MinPosition { positions, within } = min;
    let (books, others): (Vec<Position>, Vec<Position>) =
        positions.into_iter().partition(|position| position.topic == Topic::Books);
    if !books.is_empty() {
        wait_for_board(ledger, &books, within).await?;
    }
    Ok(MinPosition { positions: others, within })
}

async fn wait_for_board(ledger: &Ledger, books: &[Position], within: Duration) -> Result<(), Problem> {
    let mut published = ledger.board.positions();
    let reached = published.wait_for(|positions| {
        books
            .iter()
            .all(|position| positions.get(&position.topic_partition()).is_some_and(|next| *next > position.offset))
    });
    match tokio::time::timeout(within, reached).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(not_reached()),
    }
}
