//! `POST /v1/bulk/orders`: many orders of any accounts, each with an answer of its own.
//!
//! All of them go to the log with one append, so those of an account are judged in their order, and those of different
//! accounts at the same time. Nothing ties them together: each is granted or rejected by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::position::{Position, TopicPartition};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::items::Items;
use crate::access::caller::Caller;
use crate::access::limits::Allowance;
use crate::commands::accounts::orders::placing::{Answer, Placing};
use crate::commands::submit::{Asked, submit_all};
use crate::http::answer::Written;
use crate::http::body::{self, BULK_BYTES_MAX};
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

const PATH: &str = "/v1/bulk/orders";

/// What became of one item: what the single call would have answered.
#[derive(Serialize)]
struct Outcome {
    index: usize,
    status: u16,
    /// Whether the item repeats an earlier request.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Outcomes {
    data: Vec<Outcome>,
    /// The newest position of each partition; null if nothing was written.
    position: Option<String>,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    allowance: Option<Extension<Allowance>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    params.finish(Some(()))?;
    let text = body::json_up_to(BULK_BYTES_MAX, &headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let items = Items::of(&text, &key, &caller)?;
    if let Some(Extension(allowance)) = allowance {
        allowance.take_items(items.0.len())?;
    }
    tracing::debug!(items = items.0.len(), accounts = items.accounts().len(), "orders in bulk");
    let answers = place(&ledger, items, deadline).await?;
    outcomes(answers)
}

/// Places what can be placed; the answers in the items' order.
async fn place(
    ledger: &Arc<Ledger>,
    items: Items,
    deadline: Option<Instant>,
) -> Result<Vec<Result<(Written, Answer), Problem>>, Problem> {
    let asked: Vec<Asked<'_>> = items.0.iter().flatten().map(Placing::asked).collect();
    let judged = if asked.is_empty() { Vec::new() } else { submit_all(ledger, &asked).await? };
    let mut judged = judged.into_iter();
    let mut answers = Vec::with_capacity(items.0.len());
    for item in &items.0 {
        answers.push(match item {
            Err(problem) => Err(problem.clone()),
            Ok(placing) => match judged.next() {
                Some(Ok(judged)) => placing.answer(ledger, &judged, deadline).await,
                Some(Err(problem)) => Err(problem),
                None => Err(Problem::outcome_unknown()),
            },
        });
    }
    Ok(answers)
}

/// 200 if nothing is left to be decided, else 202.
fn outcomes(answers: Vec<Result<(Written, Answer), Problem>>) -> Result<Response, Problem> {
    let mut newest = BTreeMap::<TopicPartition, Position>::new();
    let (mut status, mut replayed, mut waited) = (StatusCode::OK, Vec::new(), false);
    let mut data = Vec::with_capacity(answers.len());
    for (index, answer) in answers.into_iter().enumerate() {
        data.push(match answer {
            Ok((written, body)) => {
                let positions = written.position.split(',').filter_map(|position| position.parse::<Position>().ok());
                for position in positions {
                    let known = newest.entry(position.topic_partition()).or_insert(position);
                    *known = position.max(*known);
                }
                replayed.push(written.replayed);
                waited |= written.waited;
                if written.status == StatusCode::ACCEPTED {
                    status = StatusCode::ACCEPTED;
                }
                let (status, replayed) = (written.status.as_u16(), Some(written.replayed));
                Outcome { index, status, replayed, body: Some(body), problem: None }
            }
            Err(problem) => {
                if problem.status.is_server_error() {
                    status = StatusCode::ACCEPTED;
                }
                let said = serde_json::from_slice(&problem.body(PATH)).ok();
                Outcome { index, status: problem.status.as_u16(), replayed: None, body: None, problem: said }
            }
        });
    }
    let positions: Vec<String> = newest.values().map(ToString::to_string).collect();
    let position = (!positions.is_empty()).then(|| positions.join(","));
    let replayed = !replayed.is_empty() && replayed.iter().all(|replayed| *replayed);
    let written = Written { status, position: position.clone().unwrap_or_default(), location: None, replayed, waited };
    written.answer(&Outcomes { data, position })
}
