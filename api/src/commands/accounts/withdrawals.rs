//! `POST /v1/accounts/{userId}/withdrawals`: a user wants assets out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, WithdrawalRequested};
use orderledger_domain::ids::WithdrawalId;
use orderledger_domain::reason::Rejection;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::{movement, user_of};
use crate::commands::decided;
use crate::commands::submit::{submit, unexpected};
use crate::http::answer::Written;
use crate::http::body;
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: Uuid,
    withdrawal_id: WithdrawalId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Rejection>,
    position: String,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let (asset, amount) = movement(&text)?;
    let event_id = key.event_id(user.as_str());
    let asked = WithdrawalRequested { user_id: user.clone(), asset, amount, withdrawal_id: None };
    let judged = submit(&ledger, user.as_str(), event_id, &Event::WithdrawalRequested(asked)).await?;
    let (withdrawal_id, outcome) = match &judged.event {
        Event::AccountDebited(debited) => (debited.withdrawal_id.clone(), ("completed", None)),
        Event::WithdrawalRejected(rejected) => (rejected.withdrawal_id.clone(), ("rejected", Some(rejected.reason))),
        _ => return Err(unexpected(&judged)),
    };
    let waited = match deadline {
        Some(deadline) => decided::wait(&ledger, &user, judged.asked, judged.position, None, deadline).await?.is_some(),
        None => false,
    };
    let (status, reason) = if waited { outcome } else { ("pending", None) };
    let position = judged.position.to_string();
    let written = Written {
        status: if waited { StatusCode::OK } else { StatusCode::ACCEPTED },
        position: position.clone(),
        location: Some(format!("/v1/accounts/{user}/withdrawals")),
        replayed: judged.replayed,
        waited,
    };
    written.answer(&Answer { event_id, withdrawal_id, status, reason, position })
}
