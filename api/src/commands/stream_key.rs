//! `PUT /v1/stream-key`: the key that the stages seal what they write with from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, StreamKeyChange};
use orderledger_domain::position::Topic;
use orderledger_projections::settlement::queries::stream_key;
use orderledger_projections::worker::progress::WorkerState;
use serde_json::value::RawValue;

use super::control;
use crate::access::caller::Caller;
use crate::http::fields::Fields;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::values;
use crate::ledger::{CONTROL, Ledger, blocking};

/// Seals a request with the key in force: nobody else's request changes it.
pub(super) async fn seal(ledger: &Arc<Ledger>, value: &mut Vec<u8>) -> Result<(), Problem> {
    let settlement = ledger.settlement.live.load().progress.standing();
    if settlement.state != WorkerState::Live {
        let detail =
            format!("settlement, which knows the key in force, is {}; nothing was changed", settlement.state.as_str());
        return Err(Problem::unavailable("not-ready", detail));
    }
    let reading = Arc::clone(ledger);
    let set = blocking(move || stream_key(&reading.settlement.moment()?.reader)).await?;
    let in_force = set.map(|set| set.key_id).or_else(|| ledger.key.at_first());
    match in_force {
        Some(id) if !ledger.key.seal(id, Topic::Orders.at(0), CONTROL.as_bytes(), value) => {
            let detail =
                format!("this server's stream key file doesn't hold the key in force, {id}; nothing was changed");
            Err(Problem::unavailable("not-ready", detail))
        }
        _ => Ok(()),
    }
}

pub(crate) async fn put(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let (text, key) = control::read(caller, params, &headers, request).await?;
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
    let set = |event: &Event| if let Event::StreamKeySet(set) = event { Some(*set) } else { None };
    control::ask(&ledger, &key, &event, set, Some("/v1/stream-key")).await
}
