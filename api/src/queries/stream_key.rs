//! `GET /v1/stream-key`: the key that the stages seal what they write with now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::KeyId;
use orderledger_projections::settlement::queries::stream_key;
use orderledger_projections::settlement::rows::StreamKeyRow;
use serde::Serialize;

use super::control;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// None before one was ever set: records carry no seal then.
    key_id: Option<KeyId>,
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = |row: Option<StreamKeyRow>| Answer { key_id: row.map(|row| row.key_id) };
    control::get(&ledger, params, &headers, stream_key, id).await
}
