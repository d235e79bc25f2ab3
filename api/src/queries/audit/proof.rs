//! `GET /v1/audit/proof`: the head of each partition's hash chain and Merkle tree; `…/checkpoints`: those of before.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::audit::queries::{chain_heads, checkpoints};
use orderledger_store::views::Direction;

use super::TOPICS;
use super::events::topic;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{AUDIT, read, wait_for_cursor};
use crate::rows::HeadRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    params.finish(Some(()))?;
    let everywhere = TOPICS.iter().flat_map(|topic| ledger.all_of(*topic)).collect();
    let (heads, as_of) = read(&ledger, AUDIT, min, everywhere, chain_heads).await?;
    let rows: Vec<HeadRow> = heads.iter().map(HeadRow::from).collect();
    answer::whole_list(&headers, &rows, &as_of)
}

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    // A checkpoint's place is that of its last record.
    let wanted = params.page_in::<Position>(Direction::Ascending);
    let last = u64::from(ledger.partitions.saturating_sub(1));
    let partition = params.number("partition", 0, last).and_then(|number| u32::try_from(number).ok());
    let topic = params.query("topic", topic);
    params.finish(Some(()))?;
    if let Some(after) = wanted.after {
        wait_for_cursor(AUDIT(&ledger), after, min.within).await?;
    }
    let is_wanted = move |of: TopicPartition| {
        topic.is_none_or(|topic| topic == of.topic) && partition.is_none_or(|partition| partition == of.partition)
    };
    let all = TOPICS.iter().flat_map(|topic| ledger.all_of(*topic));
    let rests_on = all.filter(|of| is_wanted(*of)).collect();
    let (after, limit) = (wanted.after, wanted.limit);
    let (page, as_of) =
        read(&ledger, AUDIT, min, rests_on, move |view| checkpoints(view, is_wanted, after, limit)).await?;
    let rows: Vec<HeadRow> = page.checkpoints.iter().map(HeadRow::from).collect();
    let next = page.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
