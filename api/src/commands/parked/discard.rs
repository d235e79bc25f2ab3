//! `POST /v1/parked/{entity}/discard`: the first record that waits is never applied; what waits behind it is.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_projections::parking::rows::Verdict;

use super::decide;
use super::decision::decision_of;
use crate::access::caller::Caller;
use crate::http::body;
use crate::http::headers::{IdempotencyKey, prefers_async};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let entity = params.path("entity", str::parse::<Entity>);
    let entity = params.finish(entity)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let decision = decision_of(entity, Verdict::Discarded, &key, &caller, &text)?;
    let (answer, replayed) = decide(ledger, decision, prefers_async(&headers)).await?;
    answer.written(replayed)
}
