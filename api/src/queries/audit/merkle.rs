//! `GET /v1/audit/events/{topic}/{partition}/{offset}/proof` and `GET /v1/audit/proof/consistency`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_projections::audit::queries::{Consistency, Inclusion, Unprovable, consistency, inclusion};
use serde::Serialize;

use super::TOPICS;
use super::events::{number, topic, unknown_record};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::{FieldError, Problem};
use crate::ledger::Ledger;
use crate::queries::{AUDIT, read};
use crate::rows::{HeadRow, hex};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InclusionRow {
    leaf_index: u64,
    tree_size: u64,
    leaf_hash: String,
    path: Vec<String>,
    root_hash: String,
    checkpoint: HeadRow,
}

#[derive(Serialize)]
struct ConsistencyRow {
    path: Vec<String>,
    from: HeadRow,
    to: HeadRow,
}

impl From<&Inclusion> for InclusionRow {
    fn from(proof: &Inclusion) -> InclusionRow {
        InclusionRow {
            leaf_index: proof.leaf_index,
            tree_size: proof.checkpoint.size,
            leaf_hash: hex(&proof.leaf_hash),
            path: proof.path.iter().map(|hash| hex(hash)).collect(),
            root_hash: hex(&proof.checkpoint.root),
            checkpoint: HeadRow::from(&proof.checkpoint),
        }
    }
}

impl From<&Consistency> for ConsistencyRow {
    fn from(proof: &Consistency) -> ConsistencyRow {
        let path = proof.path.iter().map(|hash| hex(hash)).collect();
        ConsistencyRow { path, from: HeadRow::from(&proof.from), to: HeadRow::from(&proof.to) }
    }
}

pub(crate) async fn of_record(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = params.path("topic", topic);
    let (partition, offset) = (params.path("partition", number), params.path("offset", number));
    let size = params.number("treeSize", 1, u64::MAX);
    let min = params.min_position(TOPICS)?;
    let (topic, (partition, offset)) = params.finish(topic.zip(partition.zip(offset)))?;
    let partition = u32::try_from(partition).ok().filter(|partition| *partition < ledger.partitions);
    let of = topic.at(partition.ok_or_else(unknown_record)?);
    let find = move |view: &_| inclusion(view, of.offset(offset), size);
    let (found, as_of) = read(&ledger, AUDIT, min, vec![of], find).await?;
    let proof = found.map_err(|why| unprovable(why, "treeSize"))?;
    answer::object(&headers, &InclusionRow::from(&proof), &as_of)
}

pub(crate) async fn of_growth(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = u64::from(ledger.partitions.saturating_sub(1));
    let topic = params.query("topic", topic);
    let partition = params.number("partition", 0, last).and_then(|number| u32::try_from(number).ok());
    let (from, to) = (params.number("from", 1, u64::MAX), params.number("to", 1, u64::MAX));
    let min = params.min_position(TOPICS)?;
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        params.refuse("to", "must not be below from");
    }
    let needed = [("topic", topic.is_none()), ("partition", partition.is_none()), ("from", from.is_none())];
    if !params.has_errors() {
        needed.iter().filter(|(_, missing)| *missing).for_each(|(name, _)| params.refuse(name, "is missing"));
    }
    let (of, from) = params.finish(topic.zip(partition).map(|(topic, partition)| topic.at(partition)).zip(from))?;
    let (found, as_of) = read(&ledger, AUDIT, min, vec![of], move |view| consistency(view, of, from, to)).await?;
    let proof = found.map_err(|why| unprovable(why, if to.is_some() { "to" } else { "from" }))?;
    answer::object(&headers, &ConsistencyRow::from(&proof), &as_of)
}

fn unprovable(why: Unprovable, parameter: &str) -> Problem {
    let detail = match why {
        Unprovable::UnknownRecord => return unknown_record(),
        Unprovable::NotInTree(leaf) => format!("is too small: the record is leaf {leaf}, which larger trees hold"),
        Unprovable::Beyond(size) => format!("is beyond the {size} records that the partition has here"),
    };
    Problem::invalid(vec![FieldError::parameter(parameter, detail)])
}
