//! `/v1/projections/{name}/rebuild`, `/generations` and `/rollback`: making views anew, looking at how far that is, calling
//! it off, and going back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::generations::Generation;
use orderledger_store::views::Direction;
use serde::Serialize;

use super::projections::on_disk;
use crate::access::caller::Caller;
use crate::http::answer;
use crate::http::as_of::AsOf;
use crate::http::body;
use crate::http::cursor;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::{Params, Wanted};
use crate::http::problem::Problem;
use crate::http::values;
use crate::ledger::rebuild::Acceptance;
use crate::ledger::rebuild::job::{Asked, Job, State as JobState};
use crate::ledger::rebuild::live::{Call, NotBegun, begin};
use crate::ledger::{Ledger, ViewHandle, blocking};

/// The name that stands for all projections.
const ALL: &str = "all";
/// The account that operators' keys belong to.
const OPERATORS: &str = "_rebuilds";
/// Whom an accepted difference without a name is put down to.
const NOBODY: &str = "operator";

/// A rebuild or rollback, and how far it is.
#[derive(Serialize)]
pub(crate) struct Rebuild {
    generation: u64,
    action: &'static str,
    #[serde(flatten)]
    state: JobState,
}

impl Rebuild {
    pub(crate) fn of(job: &Job) -> Rebuild {
        let action = if job.asked == Asked::Rollback { "rollback" } else { "rebuild" };
        Rebuild { generation: job.generation, action, state: job.state() }
    }
}

/// The generation that is made, or gone back to.
#[derive(Serialize)]
struct Begun {
    generation: u64,
}

/// The same of several projections.
#[derive(Serialize)]
struct AllBegun {
    data: Vec<NamedBegun>,
}

#[derive(Serialize)]
struct NamedBegun {
    name: &'static str,
    generation: u64,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let name = params.path("name", |name| Ok::<_, &str>(name.to_owned()));
    let name = params.finish(name)?;
    let text = body::json_or_none(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    let reason = fields.optional("acceptDifference", |raw| values::said(raw, 500));
    let actor = caller.actor_of(&mut fields, NOBODY);
    let acceptance = fields.finish(Some(reason.map(|reason| Acceptance { reason, actor })))?;
    let handles = named(&ledger, &name)?;
    let (jobs, replayed) =
        begun(&ledger, &handles, Asked::Rebuild(acceptance), &key, format!("{name}/rebuild")).await?;
    let generation =
        |(handle, job): (&Arc<ViewHandle>, &Arc<Job>)| NamedBegun { name: handle.name, generation: job.generation };
    let all: Vec<NamedBegun> = handles.iter().zip(&jobs).map(generation).collect();
    match all.as_slice() {
        [one] => accepted(&Begun { generation: one.generation }, &name, replayed),
        _ => accepted(&AllBegun { data: all }, &name, replayed),
    }
}

pub(crate) async fn rollback(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let handle = one(&ledger, params)?;
    let text = body::json_or_none(&headers, request).await?;
    Fields::of(&text)?.finish(Some(()))?;
    let key = IdempotencyKey::of(&headers)?;
    let (jobs, replayed) =
        begun(&ledger, std::slice::from_ref(&handle), Asked::Rollback, &key, format!("{}/rollback", handle.name))
            .await?;
    let generation = jobs.first().map_or(0, |job| job.generation);
    accepted(&Begun { generation }, handle.name, replayed)
}

pub(crate) async fn cancel(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let handle = one(&ledger, params)?;
    body::none(&headers, request).await?;
    let job = handle.job().filter(|job| job.runs()).ok_or_else(|| {
        let detail = format!("no rebuild of {} runs; there is nothing to call off", handle.name);
        Problem::new(StatusCode::CONFLICT, "no-rebuild", detail)
    })?;
    job.cancel();
    accepted(&Begun { generation: job.generation }, handle.name, false)
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let handle = one(&ledger, params)?;
    let job = handle.job().ok_or_else(|| {
        let detail = format!("{} was not rebuilt since the server began", handle.name);
        Problem::not_found("no-rebuild", detail)
    })?;
    answer::tagged(&headers, &Rebuild::of(&job))
}

/// A generation of a view.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    generation: u64,
    /// `live`, `building`, `previous` (kept for rollback) or `rolled_back` (removed at the next start).
    state: &'static str,
    created_at: Option<Timestamp>,
    /// Of the live one: where its rows on disk stand.
    positions: Option<BTreeMap<String, u64>>,
    digest: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    data: Vec<Row>,
    next_cursor: Option<String>,
    /// The generation whose rebuild the end of the last process interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted: Option<u64>,
    as_of: AsOf,
}

pub(crate) async fn generations(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = params.page::<u64>();
    let handle = one(&ledger, params)?;
    let list = blocking(move || list(&ledger, &handle, &wanted)).await?;
    let mut response = answer::tagged(&headers, &list)?;
    answer::rests_on(&mut response, &list.as_of);
    Ok(response)
}

fn list(ledger: &Ledger, handle: &ViewHandle, wanted: &Wanted<u64>) -> Result<List, Error> {
    let (mut generations, interrupted) = {
        let seat = handle.seat();
        (seat.generations.list()?, seat.generations.interrupted())
    };
    let is_ascending = wanted.direction == Direction::Ascending;
    if !is_ascending {
        generations.reverse();
    }
    generations.retain(|generation| {
        wanted
            .after
            .is_none_or(|after| if is_ascending { generation.number > after } else { generation.number < after })
    });
    let more = generations.len() > wanted.limit;
    generations.truncate(wanted.limit);
    let last = generations.last().filter(|_| more).map(|last| last.number);
    let live = handle.live.load();
    let row = |generation: Generation| {
        let created = generation.created_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let created_at = created.and_then(|at| i64::try_from(at.as_millis()).ok()).map(Timestamp::from_millis);
        let mut row = Row {
            generation: generation.number,
            state: generation.state.name(),
            created_at,
            positions: None,
            digest: None,
        };
        if generation.number == live.number && !handle.needs_rebuild() {
            let (digest, positions) = on_disk(&live.view)?;
            (row.positions, row.digest) = (Some(positions), Some(digest));
        }
        Ok(row)
    };
    let data = generations.into_iter().map(row).collect::<Result<Vec<_>, Error>>()?;
    let partitions = &live.progress.standing().partitions;
    let as_of = AsOf::of(&*ledger.log, partitions.keys().copied(), partitions)?;
    Ok(List { data, next_cursor: last.map(|last| cursor::write(&wanted.scope, &last)), interrupted, as_of })
}

async fn begun(
    ledger: &Arc<Ledger>,
    handles: &[Arc<ViewHandle>],
    asked: Asked,
    key: &IdempotencyKey,
    path: String,
) -> Result<(Vec<Arc<Job>>, bool), Problem> {
    let (ledger, handles) = (Arc::clone(ledger), handles.to_vec());
    let call = Call { key: key.event_id(OPERATORS), path };
    let begun = blocking(move || begin(&ledger, &handles.iter().collect::<Vec<_>>(), &asked, Some(call))).await;
    begun.map_err(|why| match why {
        NotBegun::Runs(name, generation) => {
            let detail = format!("generation {generation} of {name} is being made; wait for it, or call it off");
            Problem::new(StatusCode::CONFLICT, "rebuild-running", detail)
        }
        NotBegun::NothingBefore(name) => {
            let detail = format!("there is no whole generation of {name} before the live one");
            Problem::new(StatusCode::CONFLICT, "nothing-to-roll-back-to", detail)
        }
        NotBegun::KeyReused => {
            let detail = "this Idempotency-Key was used before with another body or path; use a new key";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
        }
        NotBegun::Log(error) => Problem::unavailable("log-unreachable", error.to_string()),
        NotBegun::Store(error @ Error::Refused { .. }) => {
            Problem::new(StatusCode::CONFLICT, "log-truncated", error.to_string())
        }
        NotBegun::Store(error) => error.into(),
    })
}

fn accepted(body: &impl Serialize, name: &str, replayed: bool) -> Result<Response, Problem> {
    let mut response = answer::json(StatusCode::ACCEPTED, answer::to_json(body)?);
    let headers = response.headers_mut();
    let location = if name == ALL { "/v1/projections".to_owned() } else { format!("/v1/projections/{name}/rebuild") };
    headers.extend(location.parse().ok().map(|location| (axum::http::header::LOCATION, location)));
    if replayed {
        headers.insert("idempotency-replayed", axum::http::HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn one(ledger: &Ledger, mut params: Params) -> Result<Arc<ViewHandle>, Problem> {
    let name = params.path("name", |name| Ok::<_, &str>(name.to_owned()));
    let name = params.finish(name)?;
    let found = ledger.views().into_iter().find(|handle| handle.name == name);
    found.cloned().ok_or_else(|| unknown(ledger, &name))
}

fn named(ledger: &Ledger, name: &str) -> Result<Vec<Arc<ViewHandle>>, Problem> {
    let chosen = ledger.views().into_iter().filter(|handle| name == ALL || handle.name == name);
    let chosen: Vec<Arc<ViewHandle>> = chosen.cloned().collect();
    if chosen.is_empty() { Err(unknown(ledger, name)) } else { Ok(chosen) }
}

fn unknown(ledger: &Ledger, name: &str) -> Problem {
    let names = ledger.views().map(|handle| handle.name).join(", ");
    let name: String = name.chars().take(64).collect();
    Problem::not_found("unknown-projection", format!("there is no projection {name}; there are {names}"))
}
