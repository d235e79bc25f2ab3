//! `POST /v1/parked/{entity}/retry`: what waits is applied in order, up to the first record that still can't be.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_projections::parking::rows::Verdict;

use super::decision::decision_of;
use super::{decide, dry_run};
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
    let dry = params.switch("dryRun");
    let entity = params.finish(entity)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let decision = decision_of(entity, Verdict::Retried, &key, &caller, &text)?;
    if dry {
        return dry_run(&ledger, &decision).await;
    }
    let (answer, replayed) = decide(ledger, decision, prefers_async(&headers)).await?;
    answer.written(replayed)
}
