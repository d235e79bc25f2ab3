//! `POST /v1/sessions/close`: day orders of these symbols, or of all, expire.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, SessionClose};
use serde::Serialize;

use super::submit::{CONTROL, submit, unexpected};
use crate::http::answer::Written;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::Ledger;

#[derive(Serialize)]
struct Answer {
    position: String,
}

pub(crate) async fn close(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    let symbols = fields.required("symbols", values::symbols);
    let symbols = fields.finish(symbols)?;
    let event = Event::SessionCloseRequested(SessionClose { symbols });
    let judged = submit(&ledger, CONTROL, key.event_id(CONTROL), &event).await?;
    let Event::SessionClosed(_) = judged.event else { return Err(unexpected(&judged)) };
    let position = judged.position.to_string();
    let written = Written {
        status: StatusCode::ACCEPTED,
        position: position.clone(),
        location: None,
        replayed: judged.replayed,
        waited: false,
    };
    written.answer(&Answer { position })
}
