//! `GET /v1/parked` and `GET /v1/parked/{entity}`: what waits behind a record that a projection can't apply.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::queries::record;
use orderledger_projections::parking::queries::{Parked, parked, parked_entities, queue};
use orderledger_projections::parking::{LOST, waiting_record};
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::read;
use crate::http::as_of::AsOf;
use crate::http::cursor::Place;
use crate::http::params::{MinPosition, Params};
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::{Ledger, blocking};
use crate::rows::{ParkedEntityRow, WaitingRow};

/// The topics that projections read which park.
const TOPICS: &[Topic] = &[Topic::Orders, Topic::Trades];

/// By when it was parked, then by name.
impl Place for (Timestamp, Entity) {
    fn write(&self) -> String {
        format!("{} {}", self.0.micros(), self.1)
    }
    fn read(text: &str) -> Option<(Timestamp, Entity)> {
        let (since, entity) = text.split_once(' ')?;
        Some((Timestamp::from_micros(since.parse().ok()?), entity.parse().ok()?))
    }
}

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = params.page::<(Timestamp, Entity)>();
    let projection = params.query("projection", |text| match text {
        "settlement" | "market" => Ok(text.to_owned()),
        _ => Err("must be settlement or market"),
    });
    let min = params.min_position(TOPICS)?;
    params.finish(Some(()))?;
    let mut rows = Vec::new();
    let mut rests_on = Vec::new();
    for view in [super::SETTLEMENT, super::MARKET] {
        let (name, topics) = (view(&ledger).name, view(&ledger).kind.topics);
        if projection.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let of: Vec<TopicPartition> = topics.iter().flat_map(|topic| ledger.all_of(*topic)).collect();
        let all = |view: &ViewReader| parked_entities(view, None, usize::MAX, Direction::Ascending);
        let (parked, as_of) = read(&ledger, view, of_topics(&min, topics), of, all).await?;
        rows.extend(parked.into_iter().map(|parked| ParkedEntityRow::new(name, parked)));
        rests_on.push(as_of);
    }
    rows.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
    if wanted.direction == Direction::Descending {
        rows.reverse();
    }
    rows.retain(|row| {
        wanted.after.as_ref().is_none_or(|(since, entity)| {
            let (here, there) = (place(row), (*since, entity));
            if wanted.direction == Direction::Ascending { here > there } else { here < there }
        })
    });
    let more = rows.len() > wanted.limit;
    rows.truncate(wanted.limit);
    let last = rows.last().filter(|_| more).map(|last| (last.since, last.entity.clone()));
    let next = last.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &rests_on.into_iter().fold(AsOf::default(), AsOf::and))
}

/// What a view is waited for that reads these topics.
fn of_topics(min: &MinPosition, topics: &[Topic]) -> MinPosition {
    let positions = min.positions.iter().filter(|at| topics.contains(&at.topic)).copied().collect();
    MinPosition { positions, ..min.clone() }
}

fn place(row: &ParkedEntityRow) -> (Timestamp, &Entity) {
    (row.since, &row.entity)
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let entity = params.path("entity", str::parse::<Entity>);
    let wanted = params.page_in::<Position>(Direction::Ascending);
    let min = params.min_position(TOPICS)?;
    let entity = params.finish(entity)?;
    let from = wanted.after.map_or(0, |after| after.offset.saturating_add(1));
    let home = ledger.view_parking(&entity);
    let of = ledger.home_of(&entity);
    let min = of_topics(&min, home(&ledger).kind.topics);
    let (asked, limit) = (entity.clone(), wanted.limit);
    let (found, as_of) = read(&ledger, home, min, vec![of], move |view| {
        let Some(parked) = parked(view, &asked)? else { return Ok(None) };
        // One more, to know whether there is a next page.
        Ok(Some((parked, queue(view, &asked, from, limit.saturating_add(1))?)))
    })
    .await?;
    let (parked, mut waiting) = found.ok_or_else(|| Problem::not_parked(&entity))?;
    let more = waiting.len() > limit;
    waiting.truncate(limit);
    let next = waiting.last().filter(|_| more).map(|last| cursor::write(&wanted.scope, last));
    let as_of = as_of.of_entity(Some(&parked));
    let rows = blocking(move || rows(&ledger, &parked, &waiting)).await?;
    answer::list(&headers, &rows, next, &as_of)
}

/// The waiting records, byte for byte: from the audit trail, and from the log what stands not there yet. One that both have
/// lost has a row that says so.
fn rows(ledger: &Ledger, parked: &Parked, waiting: &[Position]) -> Result<Vec<WaitingRow>, Error> {
    let audit = ledger.audit.moment()?.reader;
    let row = |position: &Position| {
        let error = (*position == parked.row.head).then(|| parked.note.error.clone());
        if let Some(record) = record(&audit, *position)? {
            return Ok(WaitingRow::new(*position, Some(record.recorded_at), error, &record.value));
        }
        Ok(match waiting_record(&*ledger.log, *position)? {
            Some(record) => {
                let recorded_at = Timestamp::from_millis(record.recorded_at_ms);
                WaitingRow::new(*position, Some(recorded_at), error, &record.value)
            }
            None => WaitingRow::new(*position, None, error.or_else(|| Some(LOST.to_owned())), &None),
        })
    };
    waiting.iter().map(row).collect()
}
