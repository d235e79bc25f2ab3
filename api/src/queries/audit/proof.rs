//! `GET /v1/audit/proof`: the head of each partition's hash chain.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::position::Topic;
use orderledger_projections::audit::queries::chain_heads;
use serde::Serialize;

use super::TOPICS;
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::queries::{AUDIT, read};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadRow {
    topic: &'static str,
    partition: u32,
    count: u64,
    last_offset: u64,
    sha256: String,
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    params.finish(Some(()))?;
    let everywhere = TOPICS.iter().flat_map(|topic| ledger.all_of(*topic)).collect();
    let (heads, as_of) = read(&ledger, AUDIT, min, everywhere, chain_heads).await?;
    let row = |head: orderledger_projections::audit::queries::ChainHead| HeadRow {
        topic: Topic::name(head.of.topic),
        partition: head.of.partition,
        count: head.count,
        last_offset: head.last_offset,
        sha256: head.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let rows: Vec<HeadRow> = heads.into_iter().map(row).collect();
    answer::whole_list(&headers, &rows, &as_of)
}
