//! `POST /v1/webhooks/{webhookId}/resend`: the only way in which something that was told is told again, under the same
//! `webhook-id`; a dead letter is one that is told again from its position to its position.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::position::{Position, Topic};
use orderledger_projections::notifications::calls::Asked;
use orderledger_projections::notifications::said::{ResendRequested, Said};
use serde::Serialize;
use uuid::Uuid;

use super::{WEBHOOKS, before, known, webhook_of, written};
use crate::access::caller::Caller;
use crate::commands::said::{hears, say};
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::{FieldError, Problem};
use crate::http::{body, values};
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    webhook_id: Uuid,
    from: Position,
    to: Position,
    position: Position,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let id = webhook_of(params)?;
    let text = body::json(&headers, request).await?;
    let event_id = IdempotencyKey::of(&headers)?.event_id(WEBHOOKS);
    let mut fields = Fields::of(&text)?;
    let from = fields.required("from", values::position);
    let to = fields.optional("to", values::position);
    let user_id = fields.optional("userId", values::user_id);
    let from = fields.finish(from)?;
    let to = to.unwrap_or(from);
    let is_of_orders = from.topic == Topic::Orders && from.partition < ledger.partitions;
    let is_there = is_of_orders && to.offset < ledger.end_of(from.topic_partition()).await?;
    if !is_there || to.topic_partition() != from.topic_partition() || from > to {
        let detail = "from and to must be positions of one partition of orders that the log has, in this order";
        return Err(Problem::invalid(vec![FieldError::field("from", detail)]));
    }
    let _turn = ledger.webhooks.changes.lock().await;
    hears(&ledger)?;
    known(&ledger, id)?.filter(|row| !row.is_deleted).ok_or_else(Problem::unknown_webhook)?;
    let before = before(&ledger, event_id, id, &Asked::Resend { user_id: user_id.clone(), from, to })?;
    let position = match &before {
        Some(call) => call.at,
        None => {
            let request = ResendRequested { webhook_id: id, user_id, from, to };
            say(&ledger, event_id, &Said::WebhookResendRequested(request), caller.actor()).await?
        }
    };
    written(StatusCode::ACCEPTED, position, None, before.is_some()).answer(&Answer {
        webhook_id: id,
        from,
        to,
        position,
    })
}
