//! `DELETE /v1/webhooks/{webhookId}`: tells it nothing any more.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::position::Position;
use orderledger_projections::notifications::calls::Asked;
use orderledger_projections::notifications::said::{Said, WebhookDeleted};
use serde::Serialize;
use uuid::Uuid;

use super::{WEBHOOKS, before, known, webhook_of, written};
use crate::access::caller::Caller;
use crate::commands::said::{hears, say};
use crate::http::body;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    webhook_id: Uuid,
    position: Position,
}

pub(crate) async fn delete(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let id = webhook_of(params)?;
    body::none(&headers, request).await?;
    let event_id = IdempotencyKey::of(&headers)?.event_id(WEBHOOKS);
    let _turn = ledger.webhooks.changes.lock().await;
    hears(&ledger)?;
    let row = known(&ledger, id)?.ok_or_else(Problem::unknown_webhook)?;
    let made = if row.is_deleted {
        let call = row.calls.find(event_id).filter(|call| call.asked == Asked::Delete);
        Some(call.cloned().ok_or_else(Problem::unknown_webhook)?)
    } else {
        before(&ledger, event_id, id, &Asked::Delete)?
    };
    let position = match &made {
        Some(call) => call.at,
        None => {
            say(&ledger, event_id, &Said::WebhookDeleted(WebhookDeleted { webhook_id: id }), caller.actor()).await?
        }
    };
    written(StatusCode::OK, position, None, made.is_some()).answer(&Answer { webhook_id: id, position })
}
