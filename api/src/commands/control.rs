//! Control events: asked of intake under the key `_control`, in force where its answer stands.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::Event;
use serde::Serialize;

use super::submit::{Judged, submit_as, unexpected};
use crate::access::caller::Caller;
use crate::http::answer::Written;
use crate::http::body;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{CONTROL, Ledger};

/// What was set, and where that stands.
#[derive(Serialize)]
struct Answer<T> {
    #[serde(flatten)]
    set: T,
    position: String,
}

/// Who asks, and under which key.
pub(super) struct Asking {
    caller: Caller,
    key: IdempotencyKey,
}

/// The request's text, who asks, and the key.
pub(super) async fn read(
    caller: Caller,
    params: Params,
    headers: &HeaderMap,
    request: Body,
) -> Result<(Bytes, Asking), Problem> {
    params.finish(Some(()))?;
    let text = body::json(headers, request).await?;
    Ok((text, Asking { caller, key: IdempotencyKey::of(headers)? }))
}

/// Asks for the event; `set` takes out of intake's answer what is in force now, and `location` is where it can be read.
pub(super) async fn ask<T: Serialize>(
    ledger: &Arc<Ledger>,
    asking: &Asking,
    event: &Event,
    set: impl FnOnce(&Event) -> Option<T>,
    location: Option<&str>,
) -> Result<Response, Problem> {
    let judged: Judged = submit_as(ledger, CONTROL, asking.key.event_id(CONTROL), event, asking.caller.actor()).await?;
    let set = set(&judged.event).ok_or_else(|| unexpected(&judged))?;
    let position = judged.position.to_string();
    let written = Written {
        status: StatusCode::ACCEPTED,
        position: position.clone(),
        location: location.map(str::to_owned),
        replayed: judged.replayed,
        waited: false,
    };
    written.answer(&Answer { set, position })
}
