//! `Prefer: wait`: until the request is decided by the book too, and the views show it.
//!
//! A resting order writes no event, so the signal is matching's position on `books`: whatever intake has handed on by
//! then was matched, with everything acknowledged that came of it.

use std::sync::Arc;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_domain::position::{Position, Topic};
use orderledger_projections::parking::queries::parked;
use orderledger_projections::worker::progress::Progress;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;
use tokio::time::Instant;

use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};

/// Where the log stood once a request was decided.
pub(super) struct Decided {
    books: Option<Position>,
    trades: Option<Position>,
}

impl Decided {
    /// The newest position of the order, and of what its decision led to elsewhere.
    pub(super) fn newest(&self, order: Position, has_traded: bool) -> String {
        let trades = self.trades.filter(|_| has_traded);
        let positions: Vec<String> =
            [Some(order), self.books, trades].into_iter().flatten().map(|p| p.to_string()).collect();
        positions.join(",")
    }
}

/// Waits until intake and, for a symbol, the book have decided what was asked, and settlement shows it; none if that
/// is not so at the deadline, or what settlement shows of the user is of before: then it is parked.
pub(super) async fn wait(
    ledger: &Arc<Ledger>,
    user: &UserId,
    asked: Position,
    answered: Position,
    symbol: Option<Symbol>,
    deadline: Instant,
) -> Result<Option<Decided>, Problem> {
    let orders = asked.topic_partition();
    let after = |position: Position| position.offset.saturating_add(1);
    let mut decided = Decided { books: None, trades: None };
    let mut shown = after(answered);
    if let Some(symbol) = symbol {
        let judged = after(asked);
        if !reach(&ledger.intake, deadline, |standing| standing.has_applied_below(orders, judged)).await {
            return Ok(None);
        }
        // What our own stages have acknowledged counts at once in the ends that are known without asking, and their
        // watermarks move after that: what intake handed on of this request lies below the end seen here, and what
        // matching did with it below the ends seen after that.
        let books = ledger.partition_of_symbol(Topic::Books, symbol.as_str());
        let end = ledger.log.known_end(books)?;
        if !reach(&ledger.matching, deadline, |standing| standing.has_applied_below(books, end)).await {
            return Ok(None);
        }
        let trades = ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
        let last = |end: u64| end.checked_sub(1);
        decided.books = last(end).map(|offset| books.offset(offset));
        decided.trades = last(ledger.log.known_end(trades)?).map(|offset| trades.offset(offset));
        shown = shown.max(ledger.log.known_end(orders)?);
    }
    let settlement = ledger.settlement.live.load().progress.clone();
    let shows = reach(&settlement, deadline, |standing| standing.has_applied_below(orders, shown)).await;
    let user = user.clone();
    let is_of_before = !shows || settled(ledger, move |view| is_parked(view, &user)).await?;
    Ok((!is_of_before).then_some(decided))
}

/// Whether records of the user wait in settlement, so that its rows are of before.
pub(super) fn is_parked(view: &ViewReader, user: &UserId) -> Result<bool, Error> {
    Ok(parked(view, &Entity::User(user.clone()))?.is_some())
}

async fn reach(
    progress: &Progress,
    deadline: Instant,
    reached: impl Fn(&orderledger_projections::worker::progress::Standing) -> bool,
) -> bool {
    progress.wait(deadline.saturating_duration_since(Instant::now()), reached).await
}

/// Reads settlement at one moment.
pub(super) async fn settled<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    read: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let ledger = Arc::clone(ledger);
    Ok(blocking(move || read(&ledger.settlement.reader()?)).await?)
}
