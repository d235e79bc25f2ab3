//! `GET /v1/projections`: how far every worker is, and what became of the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_projections::worker::folding::states_of;
use orderledger_projections::worker::partition::Accounting;
use orderledger_projections::worker::progress::{PartitionProgress, Standing, Twin, WorkerState};
use orderledger_store::Error;
use orderledger_store::views::View;
use serde::Serialize;

use super::rebuilds::Rebuild;
use crate::http::answer;
use crate::http::as_of::lag;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, ViewHandle, blocking};

/// The state of a worker that follows the log's end.
const LIVE: &str = WorkerState::Live.as_str();

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
    lag_records: u64,
    lag_ms: i64,
    #[serde(flatten)]
    records: Records,
    /// Entities of which records wait.
    parked_entities: u64,
    /// The newest rebuild or rollback since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<Rebuild>,
    /// The same counts of every partition that has a record.
    partitions: BTreeMap<String, Records>,
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
    /// Of the rows on disk, which may be a moment behind those that are read.
    /// Null while the view has none, because it is damaged or being made anew.
    digest: Option<String>,
    /// Where the rows stand that the digest is of.
    digest_positions: BTreeMap<String, u64>,
}

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    _headers: HeaderMap,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let answer = blocking(move || rows(&ledger)).await?;
    Ok(answer::json(StatusCode::OK, answer::to_json(&answer)?))
}

fn rows(ledger: &Ledger) -> Result<Answer, Error> {
    let projection = |handle: &Arc<ViewHandle>| {
        let live = handle.live.load();
        let columns = view_columns(handle)?;
        let mut row = row(ledger, handle.name, Some(columns), &live.progress.standing())?;
        row.rebuild = handle.job().map(|job| Rebuild::of(&job));
        if handle.has_no_rows() || (row.state == LIVE && row.rebuild.as_ref().is_some_and(Rebuild::runs)) {
            row.state = "rebuilding";
        }
        Ok(row)
    };
    let stages = [("intake", &ledger.intake), ("matching", &ledger.matching)];
    Ok(Answer {
        data: ledger.views().into_iter().map(projection).collect::<Result<_, _>>()?,
        stages: stages
            .into_iter()
            .map(|(name, progress)| {
                let twin = progress
                    .twin()
                    .map(|Twin { seen_at, records }| TwinColumns { seen_at: seen_at.to_string(), records });
                Ok(Row { twin, ..row(ledger, name, None, &progress.standing())? })
            })
            .collect::<Result<_, Error>>()?,
    })
}

fn view_columns(handle: &ViewHandle) -> Result<ViewColumns, Error> {
    let live = handle.live.load();
    if handle.has_no_rows() {
        return Ok(ViewColumns { generation: live.number, digest: None, digest_positions: BTreeMap::new() });
    }
    let (digest, digest_positions) = on_disk(&live.view)?;
    Ok(ViewColumns { generation: live.number, digest: Some(digest), digest_positions })
}

/// The digest of a view's rows on disk, and where they stand.
pub(super) fn on_disk(view: &View) -> Result<(String, BTreeMap<String, u64>), Error> {
    let at = view.digest()?;
    let states = states_of(&at.head)?;
    let positions = states.iter().filter_map(|(of, state)| Some((of.to_string(), state.next_offset.checked_sub(1)?)));
    Ok((format!("{:032x}", at.digest.sum), positions.collect()))
}

fn row(ledger: &Ledger, name: &'static str, view: Option<ViewColumns>, standing: &Standing) -> Result<Row, Error> {
    let (mut positions, mut records, mut partitions) = (BTreeMap::new(), Records::default(), BTreeMap::new());
    let (mut lag_records, mut lag_ms) = (0_u64, 0_i64);
    for (of, at) in &standing.partitions {
        positions.extend(at.next_offset.checked_sub(1).map(|last| (of.to_string(), last)));
        let lag = lag(&*ledger.log, *of, *at)?;
        lag_records = lag_records.saturating_add(lag.records);
        lag_ms = lag_ms.max(lag.millis);
        let here = Records::of(at);
        records.add(here);
        if here.consumed > 0 {
            partitions.insert(of.to_string(), here);
        }
    }
    let error = match &standing.state {
        WorkerState::Stopped(why) | WorkerState::Halted(why) => Some(why.clone()),
        WorkerState::CatchingUp | WorkerState::Live => None,
    };
    Ok(Row {
        name,
        view,
        state: match standing.state {
            WorkerState::Live if standing.parked_entities > 0 => "parked",
            ref state => state.as_str(),
        },
        parked_entities: standing.parked_entities,
        rebuild: None,
        error,
        twin: None,
        positions,
        lag_records,
        lag_ms,
        records,
        partitions,
    })
}
