//! `GET /v1/projections`: how far every worker is, and what became of the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_projections::worker::folding::states_of;
use orderledger_projections::worker::partition::Accounting;
use orderledger_projections::worker::progress::{PartitionProgress, Twin};
use orderledger_store::Error;
use orderledger_store::views::View;
use serde::Serialize;

use super::rebuilds::Rebuild;
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::lag::Group;
use crate::ledger::{Ledger, ViewHandle, blocking};
use crate::rows::{LagColumns, PaceColumns};

/// Projections have a view with a generation and a digest; stages have none.
#[derive(Serialize)]
struct Answer {
    data: Vec<Row>,
    stages: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: &'static str,
    #[serde(flatten)]
    view: Option<ViewColumns>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<TwinColumns>,
    positions: BTreeMap<String, u64>,
    #[serde(flatten)]
    lag: LagColumns,
    #[serde(flatten)]
    records: Records,
    /// Entities of which records wait.
    parked_entities: u64,
    /// The newest rebuild or rollback since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<Rebuild>,
    /// The same of every partition that has a record.
    partitions: BTreeMap<String, PartitionRow>,
}

/// One partition of a group.
#[derive(Serialize)]
struct PartitionRow {
    /// `live`; `catching_up`, further behind than it may be; or `frozen`.
    state: &'static str,
    #[serde(flatten)]
    pace: PaceColumns,
    #[serde(flatten)]
    records: Records,
}

/// How many records were consumed, counted by itself, and what became of them: `consumed` is the sum of the other five.
#[derive(Clone, Copy, Default, Serialize)]
struct Records {
    consumed: u64,
    applied: u64,
    duplicate: u64,
    rejected: u64,
    parked: u64,
    ignored: u64,
}

impl Records {
    const fn of(at: &PartitionProgress) -> Records {
        let Accounting { applied, duplicate, rejected, parked, ignored } = at.accounting;
        Records { consumed: at.consumed, applied, duplicate, rejected, parked, ignored }
    }

    const fn add(&mut self, other: Records) {
        let Records { consumed, applied, duplicate, rejected, parked, ignored } = other;
        self.consumed += consumed;
        self.applied += applied;
        self.duplicate += duplicate;
        self.rejected += rejected;
        self.parked += parked;
        self.ignored += ignored;
    }
}

/// Another server that writes to the same topics, as a stage saw it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TwinColumns {
    /// The newest record of it that was read.
    seen_at: String,
    /// How many were read since this server began.
    records: u64,
}

/// What only a projection has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViewColumns {
    generation: u64,
    /// The schema version of the rows that are read, where they are an earlier one's and being made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    older_schema: Option<u8>,
    /// Of the rows on disk, which may be a moment behind those that are read.
    /// Null while the view has none, or those of an earlier schema, because it is damaged or being made anew.
    digest: Option<String>,
    /// Where the rows stand that the digest is of.
    digest_positions: BTreeMap<String, u64>,
}

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let answer = blocking(move || rows(&ledger)).await?;
    answer::tagged(&headers, &answer)
}

fn rows(ledger: &Ledger) -> Result<Answer, Error> {
    let mut answer = Answer { data: Vec::new(), stages: Vec::new() };
    for group in ledger.lag.groups(ledger)? {
        let view = ledger.views().into_iter().find(|handle| handle.name == group.name);
        let stage = ledger.stages().into_iter().find(|(name, _)| *name == group.name);
        let mut row = row(&group);
        if let Some(handle) = view {
            row.view = Some(view_columns(handle)?);
            row.rebuild = handle.job().map(|job| Rebuild::of(&job));
            answer.data.push(row);
        } else {
            let twin = stage.and_then(|(_, progress)| progress.twin());
            row.twin = twin.map(|Twin { seen_at, records }| TwinColumns { seen_at: seen_at.to_string(), records });
            answer.stages.push(row);
        }
    }
    Ok(answer)
}

fn view_columns(handle: &ViewHandle) -> Result<ViewColumns, Error> {
    let live = handle.live.load();
    let (generation, older_schema) = (live.number, handle.older_schema());
    if handle.needs_rebuild() {
        return Ok(ViewColumns { generation, older_schema, digest: None, digest_positions: BTreeMap::new() });
    }
    let (digest, digest_positions) = on_disk(&live.view)?;
    Ok(ViewColumns { generation, older_schema, digest: Some(digest), digest_positions })
}

/// The digest of a view's rows on disk, and where they stand.
pub(super) fn on_disk(view: &View) -> Result<(String, BTreeMap<String, u64>), Error> {
    let at = view.digest()?;
    let states = states_of(&at.head)?;
    let positions = states.iter().filter_map(|(of, state)| Some((of.to_string(), state.next_offset.checked_sub(1)?)));
    Ok((format!("{:032x}", at.digest.sum), positions.collect()))
}

fn row(group: &Group) -> Row {
    let (mut positions, mut records, mut partitions) = (BTreeMap::new(), Records::default(), BTreeMap::new());
    for one in &group.partitions {
        positions.extend(one.at.next_offset.checked_sub(1).map(|last| (one.of.to_string(), last)));
        let here = Records::of(&one.at);
        records.add(here);
        if here.consumed > 0 || one.lag.records > 0 {
            let row = PartitionRow { state: one.state(group.class), pace: one.into(), records: here };
            partitions.insert(one.of.to_string(), row);
        }
    }
    Row {
        name: group.name,
        view: None,
        state: group.state,
        parked_entities: group.standing.parked_entities,
        rebuild: None,
        error: group.error().map(str::to_owned),
        twin: None,
        positions,
        lag: group.into(),
        records,
        partitions,
    }
}
