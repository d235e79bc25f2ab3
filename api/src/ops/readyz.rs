//! `GET /readyz`: the log can be reached; every critical worker runs and is caught up within its limit.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use orderledger_projections::worker::progress::{Progress, WorkerState};
use orderledger_store::Error;

use crate::http::answer;
use crate::http::as_of::lag;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};

/// How far behind a critical worker may be and still be ready.
const LAG_MAX_MS: i64 = 10_000;

pub(crate) async fn get(State(ledger): State<Arc<Ledger>>) -> Result<Response, Problem> {
    if let Err(error) = ledger.log.reachable() {
        return Err(Problem::unavailable("log-unreachable", error.to_string()));
    }
    let missing = blocking(move || missing(&ledger)).await?;
    if missing.is_empty() {
        return Ok(answer::json(StatusCode::OK, br#"{"status":"ready"}"#.to_vec()));
    }
    Err(Problem::unavailable("not-ready", missing.join("; ")))
}

/// What is not ready, in words.
fn missing(ledger: &Ledger) -> Result<Vec<String>, Error> {
    let (settlement, market) = (ledger.settlement.live.load(), ledger.market.live.load());
    let critical = [
        ("intake", &ledger.intake),
        ("matching", &ledger.matching),
        ("settlement", &settlement.progress),
        ("market", &market.progress),
    ];
    let mut missing = Vec::new();
    for (name, progress) in critical {
        missing.extend(why_not(ledger, progress)?.map(|why| format!("{name} {why}")));
    }
    Ok(missing)
}

fn why_not(ledger: &Ledger, progress: &Progress) -> Result<Option<String>, Error> {
    let standing = progress.standing();
    match &standing.state {
        WorkerState::CatchingUp => Ok(Some("has not reached the log's end yet".to_owned())),
        WorkerState::Stopped(why) | WorkerState::Halted(why) => {
            Ok(Some(format!("is {}: {why}", standing.state.as_str())))
        }
        WorkerState::Live => {
            let mut oldest = 0;
            for (of, at) in &standing.partitions {
                oldest = oldest.max(lag(&*ledger.log, *of, *at)?.millis);
            }
            Ok((oldest > LAG_MAX_MS).then(|| format!("is {oldest} ms behind")))
        }
    }
}
