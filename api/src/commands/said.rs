//! What no stage judges because nothing of the ledger depends on it: said in `notifications`, in force once the notifications
//! view has heard it.

use std::sync::Arc;

use orderledger_domain::position::Position;
use orderledger_projections::notifications::said::{self, Said};
use orderledger_projections::worker::progress::WorkerState;
use tokio::time::Instant;
use uuid::Uuid;

use super::submit::append;
use crate::http::problem::Problem;
use crate::ledger::{self, Ledger};

/// Says it, and waits until it is heard; where it stands.
pub(super) async fn say(
    ledger: &Arc<Ledger>,
    event_id: Uuid,
    said: &Said,
    actor: Option<&str>,
) -> Result<Position, Problem> {
    hears(ledger)?;
    let deadline = Instant::now() + ledger.answer_within;
    let record = said::record(said, event_id, ledger::now(), "http", actor, ledger.partitions);
    let of = record.to;
    let at = of.offset(append(ledger, record, deadline).await.map_err(in_own_words)?);
    let within = deadline.saturating_duration_since(Instant::now());
    let end = at.offset.saturating_add(1);
    if ledger.notifications.wait(within, |standing| standing.has_applied_below(of, end)).await {
        Ok(at)
    } else {
        Err(in_own_words(Problem::outcome_unknown()))
    }
}

/// A view that is behind doesn't know yet what was said before.
pub(super) fn hears(ledger: &Ledger) -> Result<(), Problem> {
    ledger.notifications.reader()?;
    match &ledger.notifications.live.load().progress.standing().state {
        WorkerState::Live => Ok(()),
        state => {
            let detail = format!("notifications is {}; nothing was written", state.as_str());
            Err(Problem::unavailable("not-ready", detail))
        }
    }
}

fn in_own_words(problem: Problem) -> Problem {
    if problem.code != Problem::outcome_unknown().code {
        return problem;
    }
    let detail = "the log has not acknowledged it, or the notifications view has not heard it, in time; it may still be in \
                  force. Retrying with the same Idempotency-Key is safe";
    Problem { detail: detail.to_owned(), ..problem }
}

/// 422 of a key that was used for something else.
pub(super) fn key_reused() -> Problem {
    let detail = "this Idempotency-Key was used before with another body, method or path; use a new key";
    Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
}
