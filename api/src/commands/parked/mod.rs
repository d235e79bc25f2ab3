//! Operators' decisions about what is parked: each is checked against the view, written to `dead-letters`, and carried out
//! by the projection when it reads it there.

pub(crate) mod discard;
pub(crate) mod retry;

mod decision;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, ParkedDecision};
use orderledger_domain::position::{Position, Topic};
use orderledger_projections::parking::queries::{self, Parked};
use orderledger_projections::parking::rows::{DecisionRow, Verdict};
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::event_log::NewRecord;
use serde::Serialize;
use tokio::time::Instant;

use super::submit::append;
use crate::http::answer::{self, Written};
use crate::http::problem::Problem;
use crate::http::trace;
use crate::ledger::{self, Ledger, ViewHandle, blocking};
use decision::Decision;

/// The state of an entity of which nothing waits.
const RELEASED: &str = "released";
/// How many records a trial looks at.
const TRIED_MAX: usize = 10_000;

/// What became of the entity.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    entity: Entity,
    projection: &'static str,
    /// Where the decision stands.
    position: Position,
    /// `released`, `releasing` while what waits is still being applied, or `parked` at the next record that can't be applied.
    state: &'static str,
    first_position: Option<Position>,
    waiting: u64,
    error: Option<String>,
}

impl Answer {
    fn written(self, replayed: bool) -> Result<Response, Problem> {
        let written = Written {
            status: StatusCode::ACCEPTED,
            position: self.position.to_string(),
            // Where nothing waits any more there is nothing to look at.
            location: (self.state != RELEASED).then(|| format!("/v1/parked/{}", self.entity)),
            replayed,
            waited: false,
        };
        written.answer(&self)
    }
}

/// What a retry would do now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    entity: Entity,
    projection: &'static str,
    /// How many of those that wait would be applied, from the first on.
    would_apply: u64,
    /// How many were discarded before and would be passed over.
    discarded: u64,
    /// How many were not tried: behind the one that stops, or beyond the first 10,000.
    untried: u64,
    /// The record at which it would stop, and why; null if none.
    stops_at: Option<Position>,
    error: Option<String>,
}

/// Tries what waits on a copy of the entity's rows; nothing is written.
async fn dry_run(ledger: &Arc<Ledger>, decision: &Decision) -> Result<Response, Problem> {
    let handle = ledger.view_parking(&decision.entity);
    check_head(handle(ledger), decision)?;
    let (of, entity) = (Arc::clone(ledger), decision.entity.clone());
    let tried = blocking(move || {
        let handle = handle(&of);
        // Refused where the view is being rebuilt.
        handle.reader()?.needs(handle.kind.schema.version)?;
        (handle.kind.try_parked)(&handle.live.load().view, &*of.log, &of.key, &entity, TRIED_MAX)
    });
    let Some(tried) = tried.await? else { return Err(Problem::not_parked(&decision.entity)) };
    let trial = Trial {
        entity: decision.entity.clone(),
        projection: handle(ledger).name,
        would_apply: tried.applied,
        discarded: tried.discarded,
        untried: tried.untried,
        stops_at: tried.stops.as_ref().map(|(position, _)| *position),
        error: tried.stops.map(|(_, error)| error),
    };
    Ok(answer::json(StatusCode::OK, answer::to_json(&trial)?))
}

/// Makes the decision in a task of its own: a client that goes away leaves it neither half made nor forgotten.
async fn decide(ledger: Arc<Ledger>, decision: Decision, at_once: bool) -> Result<(Answer, bool), Problem> {
    let made = trace::spawn(async move { make(&ledger, &decision, at_once).await });
    made.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a decision ended in a panic");
        Err(Problem::internal())
    })
}

/// Makes the decision, once under its key, and waits until the projection has carried it out: until it has heard it, and, but for
/// `at_once`, until nothing of the entity is being applied any more. Where the log doesn't say in time whether it has the
/// decision, it is not known here: the same key about another entity is accepted then until the projection has heard it.
async fn make(ledger: &Arc<Ledger>, decision: &Decision, at_once: bool) -> Result<(Answer, bool), Problem> {
    let handle = ledger.view_parking(&decision.entity)(ledger);
    let deadline = Instant::now() + ledger.answer_within;
    accepts_decisions(handle)?;
    // Who comes with the same key about another entity finds this decision there.
    let mut under_key = ledger.decision_keys.of(&decision.event_id).lock().await;
    if let Some((_, entity, before)) = under_key.as_ref().filter(|(event_id, ..)| *event_id == decision.event_id) {
        carried_out(ledger.view_parking(entity)(ledger), *before, deadline).await?;
    }
    let mut last = ledger.decisions.of(&decision.entity).lock().await;
    if let Some(before) = *last {
        carried_out(handle, before, deadline).await?;
    }
    let (at, replayed) = match known(ledger, decision)? {
        Some(at) => (at, true),
        None => {
            let after = check_head(handle, decision)?;
            let record = record_of(handle, decision, after);
            let of = record.to;
            let at = of.offset(append(ledger, record, deadline).await.map_err(in_words_of_a_decision)?);
            *last = Some(at);
            *under_key = Some((decision.event_id, decision.entity.clone(), at));
            carried_out(handle, at, deadline).await?;
            // Another server's decision may have come first.
            known(ledger, decision)?;
            (at, false)
        }
    };
    drop((last, under_key));
    let deadline = if at_once { Instant::now() } else { deadline };
    Ok((settled(handle, decision, at, deadline).await?, replayed))
}

/// A projection that is behind doesn't know yet what was decided before.
fn accepts_decisions(handle: &ViewHandle) -> Result<(), Problem> {
    let standing = handle.live.load().progress.standing();
    match &standing.state {
        WorkerState::Live => Ok(()),
        state => {
            let detail = format!("{} is {}; nothing was decided", handle.name, state.as_str());
            Err(Problem::unavailable("not-ready", detail))
        }
    }
}

/// Where the same decision stands already; another one under the same key, about whatever entity, is a mistake.
fn known(ledger: &Ledger, decision: &Decision) -> Result<Option<Position>, Problem> {
    let own = ledger.view_parking(&decision.entity)(ledger).reader()?;
    let mut row = queries::decision_in(&own, decision.event_id, decision.about.partition)?;
    for handle in [&ledger.settlement, &ledger.market] {
        if row.is_none() {
            row = queries::decision(&handle.reader()?, decision.event_id)?;
        }
    }
    let Some(row) = row else { return Ok(None) };
    let DecisionRow { at, verdict, entity, about, reason, actor, void } = row;
    let same = (verdict, &entity, about, &reason, &actor)
        == (decision.verdict, &decision.entity, decision.about, &decision.reason, &decision.actor);
    if same && void {
        let detail = format!(
            "another decision about {about} came first; look at {entity} before deciding again, with a new key"
        );
        return Err(Problem::new(StatusCode::CONFLICT, "head-moved", detail));
    }
    if same {
        return Ok(Some(at));
    }
    let detail = "this Idempotency-Key was used before with another body or path; use a new key";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
}

/// Checks that the decision is about the head; where the newest decision about that stands, at the same moment of the view.
fn check_head(handle: &ViewHandle, decision: &Decision) -> Result<Option<Position>, Problem> {
    let entity = &decision.entity;
    let reader = handle.reader()?;
    let parked = queries::parked(&reader, entity)?.ok_or_else(|| Problem::not_parked(entity))?;
    if parked.note.releasing {
        let detail = format!("what waits of {entity} is being applied; look again before deciding");
        return Err(Problem::new(StatusCode::CONFLICT, "head-moved", detail).retry_after(1));
    }
    if parked.row.head != decision.about {
        let detail = format!("the first that waits of {entity} is {}; look at it before deciding", parked.row.head);
        return Err(Problem::new(StatusCode::CONFLICT, "head-moved", detail));
    }
    Ok(queries::decided(&reader, entity, decision.about)?)
}

fn parked(handle: &ViewHandle, entity: &Entity) -> Result<Option<Parked>, Problem> {
    Ok(queries::parked(&handle.reader()?, entity)?)
}

/// It stands in the partition of `dead-letters` with the number of the parked record's own.
fn record_of(handle: &ViewHandle, decision: &Decision, after: Option<Position>) -> NewRecord {
    let said = ParkedDecision {
        projection: handle.name.to_owned(),
        position: decision.about,
        reason: decision.reason.clone(),
        actor: decision.actor.clone(),
        after,
    };
    let event = match decision.verdict {
        Verdict::Retried => Event::ParkedRetried(said),
        Verdict::Discarded => Event::ParkedDiscarded(said),
    };
    NewRecord {
        to: Topic::DeadLetters.at(decision.about.partition),
        key: Some(Bytes::from(decision.entity.to_string())),
        value: Some(Bytes::from(envelope::write_outside(decision.event_id, ledger::now(), &event, "http"))),
        headers: trace::record_headers(),
    }
}

async fn carried_out(handle: &ViewHandle, at: Position, deadline: Instant) -> Result<(), Problem> {
    let end = at.offset.saturating_add(1);
    let within = deadline.saturating_duration_since(Instant::now());
    let reached = handle.wait(within, |standing| standing.has_applied_below(at.topic_partition(), end)).await;
    if reached { Ok(()) } else { Err(in_words_of_a_decision(Problem::outcome_unknown())) }
}

/// No stage judges a decision: what is not known is something else than of other writes.
fn in_words_of_a_decision(problem: Problem) -> Problem {
    if problem.code != Problem::outcome_unknown().code {
        return problem;
    }
    let detail = "the log has not acknowledged the decision, or the projection has not carried it out, in time; it may \
                  still be. Retrying with the same Idempotency-Key is safe";
    Problem { detail: detail.to_owned(), ..problem }
}

/// How the entity stands once nothing of it is being applied any more, or as it is at the deadline.
async fn settled(handle: &ViewHandle, decision: &Decision, at: Position, deadline: Instant) -> Result<Answer, Problem> {
    let is_releasing = || parked(handle, &decision.entity).is_ok_and(|it| it.is_some_and(|it| it.note.releasing));
    let within = deadline.saturating_duration_since(Instant::now());
    // What is published follows every commit, so the rows are looked at as often as they change.
    let done = handle.wait(within, |_| !is_releasing()).await;
    let parked = parked(handle, &decision.entity)?;
    Ok(Answer {
        entity: decision.entity.clone(),
        projection: handle.name,
        position: at,
        state: match &parked {
            None => RELEASED,
            Some(_) if done => "parked",
            Some(_) => "releasing",
        },
        first_position: parked.as_ref().map(|parked| parked.row.head),
        waiting: parked.as_ref().map_or(0, |parked| parked.row.waiting),
        error: parked.filter(|_| done).map(|parked| parked.note.error),
    })
}
