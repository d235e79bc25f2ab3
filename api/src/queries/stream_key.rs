//! `GET /v1/stream-key`: the key that the stages seal what they write with now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::KeyId;
use orderledger_domain::position::Topic;
use orderledger_projections::settlement::queries::stream_key;
use serde::Serialize;

use super::{SETTLEMENT, read};
use crate::http::answer;
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
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(&[Topic::Orders])?;
    params.finish(Some(()))?;
    let (row, as_of) = read(&ledger, SETTLEMENT, min, vec![Topic::Orders.at(0)], stream_key).await?;
    answer::object(&headers, &Answer { key_id: row.map(|row| row.key_id) }, &as_of)
}
