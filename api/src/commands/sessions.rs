//! `POST /v1/sessions/close`: day orders of these symbols, or of all, expire.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, SessionClose};
use serde::Serialize;

use super::control;
use crate::access::caller::Caller;
use crate::http::fields::Fields;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::values;
use crate::ledger::Ledger;

/// A close sets nothing that could be read afterwards.
#[derive(Serialize)]
struct Nothing {}

pub(crate) async fn close(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let (text, key) = control::read(caller, params, &headers, request).await?;
    let mut fields = Fields::of(&text)?;
    let symbols = fields.required("symbols", values::symbols);
    let symbols = fields.finish(symbols)?;
    let event = Event::SessionCloseRequested(SessionClose { symbols });
    let set = |event: &Event| matches!(event, Event::SessionClosed(_)).then_some(Nothing {});
    control::ask(&ledger, &key, &event, set, None).await
}
