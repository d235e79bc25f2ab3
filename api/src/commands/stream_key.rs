//! `PUT /v1/stream-key`: the key that the stages seal what they write with from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, StreamKeyChange};
use orderledger_domain::ids::KeyId;
use serde::Serialize;
use serde_json::value::RawValue;

use super::submit::{CONTROL, submit, unexpected};
use crate::http::answer::Written;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    key_id: KeyId,
    position: String,
}

pub(crate) async fn put(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    // Every stage stops where a key is set that it doesn't have: here is the last place where that is only a mistake.
    let known = |raw: &RawValue| {
        let id = values::key_id(raw)?;
        if ledger.key.knows(id) {
            Ok(id)
        } else {
            Err("is the id of no key in this server's stream key file".to_owned())
        }
    };
    let key_id = fields.required("keyId", known);
    let key_id = fields.finish(key_id)?;
    let event = Event::StreamKeyRequested(StreamKeyChange { key_id });
    let judged = submit(&ledger, CONTROL, key.event_id(CONTROL), &event).await?;
    let Event::StreamKeySet(set) = judged.event else { return Err(unexpected(&judged)) };
    let position = judged.position.to_string();
    let written = Written {
        status: StatusCode::ACCEPTED,
        position: position.clone(),
        location: Some("/v1/stream-key".to_owned()),
        replayed: judged.replayed,
        waited: false,
    };
    written.answer(&Answer { key_id: set.key_id, position })
}
