//! Calls that read: each takes one consistent look at a view and says which positions its answer rests on.

pub(crate) mod accounts;
pub(crate) mod analytics;
pub(crate) mod audit;
pub(crate) mod fees;
pub(crate) mod hot;
pub(crate) mod markets;
pub(crate) mod orders;
pub(crate) mod parked;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod stream;
pub(crate) mod stream_key;
pub(crate) mod webhooks;

mod control;
mod then;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::worker::progress::Standing;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use crate::http::as_of::AsOf;
use crate::http::params::MinPosition;
use crate::http::problem::{FieldError, Problem};
use crate::ledger::{Ledger, ViewHandle, blocking};

/// Which of the ledger's views.
type ViewOf = fn(&Ledger) -> &ViewHandle;

/// Balances, orders, fills, postings, withdrawals.
const SETTLEMENT: ViewOf = |ledger| &ledger.settlement;
/// The tape and what follows from it.
const MARKET: ViewOf = |ledger| &ledger.market;
/// The log itself.
const AUDIT: ViewOf = |ledger| &ledger.audit;

/// Inboxes and webhooks.
const NOTIFICATIONS: ViewOf = |ledger| &ledger.notifications;

/// What was traded and asked for.
const ANALYTICS: ViewOf = |ledger| &ledger.analytics;

/// How much a call reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A few rows: read where the call runs. To hand them to another thread and back would cost several times what they take.
    LookUp,
    /// Many rows: read on a thread made for what may take long.
    Scan,
}

/// Waits for the positions, then reads the view at one moment; `rests_on` are the partitions of the answer.
async fn read<T: Send + 'static>(
    ledger: &Arc<Ledger>,
    view: ViewOf,
    min: MinPosition,
    rests_on: Vec<TopicPartition>,
    rows: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    read_so(Reading::Scan, ledger, view, min, rests_on, rows).await
}

async fn read_so<T: Send + 'static>(
    reading: Reading,
    ledger: &Arc<Ledger>,
    view: ViewOf,
    min: MinPosition,
    rests_on: Vec<TopicPartition>,
    read: impl FnOnce(&ViewReader) -> Result<T, Error> + Send + 'static,
) -> Result<(T, AsOf), Problem> {
    exist(ledger, &min.positions)?;
    let deadline = Instant::now() + min.within;
    wait_for(view(ledger), &min.positions, min.within).await?;
    wait_for_seen(ledger, view, &min.seen, min.within).await?;
    let (mut read, stale_max) = (read, min.stale_max);
    loop {
        let (here, of) = (Arc::clone(ledger), rests_on.clone());
        let once = move || {
            let moment = view(&here).moment()?;
            let as_of = AsOf::of(&*here.log, of, &moment.partitions)?;
            if as_of.lag().exceeds(stale_max) {
                return Ok(Err((read, as_of)));
            }
            Ok::<_, Error>(Ok((read(&moment.reader)?, as_of)))
        };
        let done = match reading {
            Reading::LookUp => once(),
            Reading::Scan => blocking(once).await,
        };
        let (again, as_of) = match done? {
            Ok(answer) => return Ok(answer),
            Err(stale) => stale,
        };
        let moved = |standing: &Standing| {
            rests_on.iter().any(|of| standing.has_applied_below(*of, as_of.end_of(*of).saturating_add(1)))
        };
        if !view(ledger).wait(deadline.saturating_duration_since(Instant::now()), moved).await {
            return Err(Problem::too_stale(as_of.lag()));
        }
        read = again;
    }
}

/// Waits until the view has applied what the caller has seen elsewhere: no answer is of an earlier state.
async fn wait_for_seen(ledger: &Ledger, view: ViewOf, seen: &[Position], within: Duration) -> Result<(), Problem> {
    let view = view(ledger);
    let is_read = |at: &&Position| at.partition < ledger.partitions && view.kind.topics.contains(&at.topic);
    let seen: Vec<Position> = seen.iter().filter(is_read).copied().collect();
    let has_applied = |standing: &Standing, at: &Position| {
        standing.has_applied_below(at.topic_partition(), at.offset.saturating_add(1))
    };
    if seen.is_empty() || view.wait(within, |standing| seen.iter().all(|at| has_applied(standing, at))).await {
        return Ok(());
    }
    let detail = "the view has not reached the header Ledger-Position within waitMs; ask again, or wait longer";
    Err(Problem { detail: detail.to_owned(), ..not_reached() })
}

/// 422 of a position in a partition that no topic has: waiting for it would never end.
fn exist(ledger: &Ledger, positions: &[Position]) -> Result<(), Problem> {
    let beyond = positions.iter().find(|position| position.partition >= ledger.partitions);
    beyond.map_or(Ok(()), |position| {
        let detail =
            format!("names {}, but every topic has {} partitions", position.topic_partition(), ledger.partitions);
        Err(Problem::invalid(vec![FieldError::parameter("minPosition", detail)]))
    })
}

/// Waits until the view has applied those records and all that was decided at them.
async fn wait_for(view: &ViewHandle, positions: &[Position], within: Duration) -> Result<(), Problem> {
    let reached = positions.is_empty()
        || view.wait(within, |standing| positions.iter().all(|position| standing.has_reached(*position))).await;
    if reached { Ok(()) } else { Err(not_reached()) }
}

/// Waits until the view has what a cursor was given for: right after a restart it may be behind that, and would take the
/// rest of a list for its end.
async fn wait_for_cursor(view: &ViewHandle, after: Position, within: Duration) -> Result<(), Problem> {
    let end = after.offset.saturating_add(1);
    if view.wait(within, |standing| standing.has_applied_below(after.topic_partition(), end)).await {
        Ok(())
    } else {
        Err(cursor_not_reached())
    }
}

fn cursor_not_reached() -> Problem {
    let detail = "the view has not reached this cursor's place again within waitMs; ask again, or wait longer";
    Problem { detail: detail.to_owned(), ..not_reached() }
}

/// 409 of a view that has not reached a position in time.
fn not_reached() -> Problem {
    let detail = "the view has not reached minPosition within waitMs; ask again, or wait longer";
    Problem::new(StatusCode::CONFLICT, "position-not-reached", detail).retry_after(1)
}

/// 404 of an account that no event names.
fn unknown_account() -> Problem {
    Problem::unknown_account()
}
