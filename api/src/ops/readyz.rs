//! `GET /readyz`: the log can be reached; every critical worker runs and is caught up within its limit; no view is missing that was
//! never made, was lost, or stands where an older program left it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::Error;

use crate::http::answer;
use crate::http::problem::Problem;
use crate::lag::{Class, Group};
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
    let groups = ledger.lag.groups(ledger)?;
    let critical = groups.iter().filter(|group| group.class == Class::Critical);
    let late = critical.filter_map(|group| {
        let why = why_not(group)?;
        let view = ledger.views().into_iter().find(|view| view.name == group.name && view.needs_rebuild());
        let failed = view.and_then(|view| view.job()?.state().error);
        Some(failed.map_or(format!("{} {why}", group.name), |failed| format!("{} {why} ({failed})", group.name)))
    });
    let mut missing: Vec<String> = late.collect();
    for view in ledger.views() {
        // What is late says so already.
        let is_named = missing.iter().any(|said| said.starts_with(view.name));
        if view.is_awaited.load(Ordering::Acquire) && !is_named {
            missing.push(format!("{} has no rows up to the log's end yet, they are being made", view.name));
        }
    }
    Ok(missing)
}

fn why_not(group: &Group) -> Option<String> {
    match &group.standing.state {
        WorkerState::CatchingUp => Some(match group.older_schema {
            Some(version) => format!("is being made anew; its rows of schema version {version} are read meanwhile"),
            None => "has not reached the log's end yet".to_owned(),
        }),
        WorkerState::Stopped(why) | WorkerState::Halted(why) => {
            Some(format!("is {}: {why}", group.standing.state.as_str()))
        }
        WorkerState::Live => {
            let frozen = group.frozen_in().filter(|_| group.is_frozen());
            let frozen = frozen.map(|one| format!("is frozen at {}", one.of.offset(one.at.next_offset)));
            let late = (group.lag.millis > LAG_MAX_MS).then(|| format!("is {} ms behind", group.lag.millis));
            frozen.or(late)
        }
    }
}
