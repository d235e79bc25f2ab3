//! `POST /v1/accounts/{userId}/deposits`: assets came in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Deposit, Event};
use orderledger_domain::ids::Asset;
use orderledger_domain::money::Amount;
use serde::Serialize;
use uuid::Uuid;

use super::{movement, user_of};
use crate::commands::submit::{submit, unexpected};
use crate::http::answer::Written;
use crate::http::body;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::Decimal;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: Uuid,
    asset: Asset,
    amount: Decimal<Amount>,
    position: String,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let (asset, amount) = movement(&text)?;
    let event_id = key.event_id(user.as_str());
    let event = Event::DepositMade(Deposit { user_id: user.clone(), asset, amount });
    let judged = submit(&ledger, user.as_str(), event_id, &event).await?;
    let Event::AccountCredited(credited) = &judged.event else { return Err(unexpected(&judged)) };
    let at = judged.position;
    let written = Written {
        status: StatusCode::CREATED,
        position: at.to_string(),
        location: Some(format!("/v1/audit/events/{}/{}/{}", at.topic, at.partition, at.offset)),
        replayed: judged.replayed,
        waited: false,
    };
    let amount = Decimal(credited.amount);
    written.answer(&Answer { event_id, asset: credited.asset, amount, position: at.to_string() })
}
