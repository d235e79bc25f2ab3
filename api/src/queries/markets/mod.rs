//! Prices, books, the tape and candles.

pub(crate) mod book;
pub(crate) mod candles;
pub(crate) mod list;
pub(crate) mod market;
pub(crate) mod trades;
pub(crate) mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::market::queries::Until;
use orderledger_projections::parking::queries::parked;
use orderledger_projections::worker::board::BookView;
use orderledger_projections::worker::progress::{PartitionProgress, Standing};

use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::then::Then;
use super::{MARKET, Reading, cursor_not_reached, exist, not_reached, read_so};
use crate::http::as_of::AsOf;
use crate::http::params::MinPosition;
use crate::http::problem::Problem;
use crate::lag::{Lag, lag};
use crate::ledger::Ledger;

/// A symbol's published book, and the offset below which it has everything: a market exists from its first accepted order.
fn book_of(ledger: &Ledger, symbol: Symbol) -> Result<(Arc<BookView>, u64), Problem> {
    let unknown = || Problem::not_found("unknown-market", "no order of this symbol was ever accepted");
    ledger.board.get_at(symbol).ok_or_else(unknown)
}

/// What the market view is asked for a moment; none: for the rows of now.
const fn until_of(then: Then) -> Option<Until> {
    match then {
        Then::Now => None,
        Then::After(offset) => Some(Until::Offset(offset)),
        Then::Before => Some(Until::Nothing),
        Then::Happened(time) => Some(Until::Happened(time)),
    }
}

/// Reads the tape of one symbol, and whether it is parked.
async fn of_symbol<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    symbol: Symbol,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    of_symbol_so(Reading::Scan, ledger, symbol, min, rows).await
}

/// The same of a few rows.
async fn look_up_symbol<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    symbol: Symbol,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    of_symbol_so(Reading::LookUp, ledger, symbol, min, rows).await
}

async fn of_symbol_so<T: Send + 'static>(
    reading: Reading,
    ledger: &Arc<Ledger>,
    symbol: Symbol,
    min: MinPosition,
    rows: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    let rests_on = vec![ledger.partition_of_symbol(Topic::Trades, symbol.as_str())];
    let rows = move |view: &ViewReader| Ok((rows(view)?, parked(view, &Entity::Symbol(symbol))?));
    let ((rows, parked), as_of) = read_so(reading, ledger, MARKET, min, rests_on, rows).await?;
    Ok((rows, as_of.of_entity(parked.as_ref())))
}

/// Waits until the tape of a symbol has what a cursor was given for: right after a restart the view may be behind that, and would
/// take the rest of a list for its end.
async fn wait_for_tape(
    ledger: &Ledger,
    within: Duration,
    has_it: impl Fn(&ViewReader) -> Result<bool, Error>,
) -> Result<(), Problem> {
    // What can't be read is said by the call itself.
    let looked = |_: &Standing| MARKET(ledger).moment().and_then(|now| has_it(&now.reader)).unwrap_or(true);
    if MARKET(ledger).wait(within, looked).await { Ok(()) } else { Err(cursor_not_reached()) }
}

/// How far a partition of `books` is in a book, which has everything below that offset.
pub(super) fn book_progress(book: &BookView, next_offset: u64) -> PartitionProgress {
    PartitionProgress { next_offset, recorded_at: book.recorded_at, ..PartitionProgress::default() }
}

/// Waits for those of the positions that are in `books`; gives the others back.
async fn wait_for_books(ledger: &Ledger, min: MinPosition) -> Result<MinPosition, Problem> {
    exist(ledger, &min.positions)?;
    let MinPosition { positions, within, .. } = min;
    let (mut books, others): (Vec<Position>, Vec<Position>) =
        positions.into_iter().partition(|position| position.topic == Topic::Books);
    let is_book = |at: &&Position| at.topic == Topic::Books && at.partition < ledger.partitions;
    books.extend(min.seen.iter().filter(is_book));
    if !books.is_empty() {
        wait_for_board(ledger, &books, within).await?;
    }
    Ok(MinPosition { positions: others, seen: min.seen, within, stale_max: min.stale_max })
}

/// Waits until the published books of these partitions lag no more than the caller accepts.
async fn wait_for_fresh_books(
    ledger: &Ledger,
    of: &[TopicPartition],
    within: Duration,
    stale_max: Option<u64>,
) -> Result<(), Problem> {
    if stale_max.is_none() {
        return Ok(());
    }
    let deadline = Instant::now() + within;
    let mut published = ledger.board.positions();
    loop {
        let next: Vec<(TopicPartition, u64)> = {
            let known = published.borrow_and_update();
            of.iter().map(|of| (*of, known.get(of).copied().unwrap_or_default())).collect()
        };
        let mut worst = Lag::default();
        for (of, next_offset) in next {
            let lag = lag(&*ledger.log, of, PartitionProgress { next_offset, ..PartitionProgress::default() })?;
            worst.records = worst.records.saturating_add(lag.records);
            worst.millis = worst.millis.max(lag.millis);
        }
        if !worst.exceeds(stale_max) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if !matches!(tokio::time::timeout(left, published.changed()).await, Ok(Ok(()))) {
            return Err(Problem::too_stale(worst));
        }
    }
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
