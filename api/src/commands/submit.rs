//! From an event to intake's answer: append, wait for the acknowledgement, wait for the judgement.

use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, RecordRefused};
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::reason::RefuseReason;
use orderledger_projections::intake::answers::{self, Answer};
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::Error;
use orderledger_store::event_log::NewRecord;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::http::problem::Problem;
use crate::ledger::{self, CONTROL, Ledger, blocking};

/// What intake said of a request.
pub(super) struct Judged {
    /// Where the request stands, or stood the first time.
    pub(super) asked: Position,
    /// Where the answer stands.
    pub(super) position: Position,
    /// The answer.
    pub(super) event: Event,
    /// Whether the request repeats an earlier one.
    pub(super) replayed: bool,
}

/// Asks intake, in the name of an account (or of [`CONTROL`]).
pub(super) async fn submit(
    ledger: &Arc<Ledger>,
    account: &str,
    event_id: Uuid,
    event: &Event,
) -> Result<Judged, Problem> {
    accepts_writes(ledger)?;
    let partition = if account == CONTROL { 0 } else { partition::of_key(account.as_bytes(), ledger.partitions) };
    let deadline = Instant::now() + ledger.answer_within;
    let mut value = envelope::write_outside(event_id, ledger::now(), event, "http");
    if let Event::StreamKeyRequested(_) = event {
        super::stream_key::seal(ledger, &mut value).await?;
    }
    let record = NewRecord {
        to: Topic::Orders.at(partition),
        key: Some(Bytes::copy_from_slice(account.as_bytes())),
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
    };
    let offset = append(ledger, record, deadline).await?;
    let answer = timeout_at(deadline, ledger.answers.wait(partition, offset)).await;
    let Ok(Ok(answer)) = answer else { return Err(Problem::outcome_unknown()) };
    first_answer(ledger, Topic::Orders.at(partition).offset(offset), answer, deadline).await
}

/// Writes wait until intake has reached the log's end as it was at start.
fn accepts_writes(ledger: &Ledger) -> Result<(), Problem> {
    match &ledger.intake.standing().state {
        WorkerState::Live => Ok(()),
        WorkerState::CatchingUp => {
            Err(Problem::unavailable("not-ready", "intake has not reached the log's end yet; nothing was written"))
        }
        ended => Err(Problem::unavailable("not-ready", format!("intake is {}; nothing was written", ended.as_str()))),
    }
}

pub(super) async fn append(ledger: &Arc<Ledger>, record: NewRecord, deadline: Instant) -> Result<u64, Problem> {
    // Records that nobody takes would fill the log's queue, and whoever appends would wait for room.
    if let Err(error @ Error::Unavailable { .. }) = ledger.log.reachable() {
        tracing::debug!(%error, "nothing is appended");
        return Err(Problem::outcome_unknown());
    }
    let Ok(Ok(place)) = timeout_at(deadline, ledger.writes.acquire()).await else {
        return Err(Problem::unavailable("overloaded", "too many writes wait for the log; nothing was written"));
    };
    let (sender, receiver) = oneshot::channel();
    // Nobody waits any more if sending fails.
    let delivered = Box::new(move |offsets| drop(sender.send(offsets)));
    if let Err(error) = ledger.appender.append(vec![record], delivered) {
        tracing::error!(%error, "the log takes no record");
        return Err(Problem::unavailable("log-unavailable", "the log takes no records; nothing was written"));
    }
    let acknowledged = timeout_at(deadline, receiver).await;
    drop(place);
    match acknowledged {
        Ok(Ok(Ok(offsets))) => offsets.first().copied().ok_or_else(Problem::outcome_unknown),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "the log did not acknowledge a record");
            Err(Problem::outcome_unknown())
        }
        _ => Err(Problem::outcome_unknown()),
    }
}

/// The answer to the request, or to the one it repeats; a repeat may itself be repeated.
async fn first_answer(
    ledger: &Arc<Ledger>,
    mut asked: Position,
    mut answer: Answer,
    deadline: Instant,
) -> Result<Judged, Problem> {
    let mut replayed = false;
    while let Event::DuplicateIgnored(repeat) = &answer.event {
        let (asking, original) = (Arc::clone(ledger), repeat.original);
        // A log that gives no answer for a moment is asked longer than anybody waits.
        let found = timeout_at(deadline, blocking(move || answers::find(asking.log.as_ref(), &asking.key, original)))
            .await
            .map_err(|_| Problem::outcome_unknown())??;
        answer = found.ok_or_else(Problem::outcome_unknown)?;
        (asked, replayed) = (original, true);
    }
    match answer.event {
        Event::RecordRefused(refused) => Err(refusal(&refused)),
        event => Ok(Judged { asked, position: answer.position, event, replayed }),
    }
}

fn refusal(refused: &RecordRefused) -> Problem {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match refused.reason {
        RefuseReason::IdReused | RefuseReason::DuplicateOrder => {
            let detail = "this Idempotency-Key was used before with another body, method or path; use a new key";
            Problem::new(unprocessable, "idempotency-key-reused", detail)
        }
        RefuseReason::NotSealed => {
            let detail = "another change of the stream key came first, and this server hadn't seen it; nothing was changed: \
                          look at /v1/stream-key and ask again";
            Problem::new(StatusCode::CONFLICT, "stream-key-changed", detail).retry_after(1)
        }
        RefuseReason::TimestampInFuture => {
            let detail = "this server's clock is ahead of the log's; nothing was booked";
            Problem::unavailable("clock-ahead", detail)
        }
        reason => {
            Problem::new(unprocessable, "record-refused", format!("intake refused it: {reason}: {}", refused.detail))
        }
    }
}

/// Intake answered with an event that can't answer such a request: the log and the rules disagree.
pub(super) fn unexpected(judged: &Judged) -> Problem {
    tracing::error!(position = %judged.position, answer = judged.event.event_type().as_str(), "an answer of the wrong kind");
    Problem::internal()
}
