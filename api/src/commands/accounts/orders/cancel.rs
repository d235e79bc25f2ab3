//! `DELETE /v1/accounts/{userId}/orders/{orderId}`: a user wants an order canceled.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, OrderCancelRequested};
use orderledger_domain::ids::{OrderId, UserId};
use tokio::time::Instant;

use super::change::Change;
use crate::http::body;
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

pub(crate) async fn delete(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    let user = params.path("userId", UserId::new);
    let order_id = params.path("orderId", OrderId::new);
    let (user, order_id) = params.finish(user.zip(order_id))?;
    body::none(&headers, request).await?;
    let event_id = IdempotencyKey::of(&headers)?.event_id(user.as_str());
    let asked = OrderCancelRequested { order_id: order_id.clone(), user_id: user.clone() };
    Change { user, order_id, event_id, event: Event::OrderCancelRequested(asked), deadline }.ask(&ledger).await
}
