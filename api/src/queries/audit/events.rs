//! `GET /v1/audit/events` and `…/{topic}/{partition}/{offset}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::audit::queries::{EventsQuery, Types, events, record, visit_events};
use orderledger_store::views::{Direction, ViewReader};

use super::TOPICS;
use crate::http::export::{Export, Rest, STRETCH_BYTES};
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params, Wanted};
use crate::http::problem::Problem;
use crate::http::sheet::Sheet;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{AUDIT, read, wait_for_cursor};
use crate::rows::{AuditLine, AuditRow};

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    let wanted = params.page_in::<Position>(Direction::Ascending);
    let last = u64::from(ledger.partitions.saturating_sub(1));
    let partition = params.number("partition", 0, last).and_then(|number| u32::try_from(number).ok());
    let mut query = EventsQuery {
        topic: params.query("topic", topic),
        partition,
        from: params.number("from", 0, u64::MAX).unwrap_or(0),
        symbol: params.query("symbol", Symbol::new),
        types: params.query("type", types).unwrap_or(Types::ALL),
        since: params.moment("since"),
        until: params.moment("until"),
        after: wanted.after,
        limit: wanted.limit,
    };
    let (topic, last) = (query.topic, ledger.partitions);
    let has = |at: Position| at.partition < last && topic.is_none_or(|topic| topic == at.topic);
    query.after = query.after.or(params.after(|at| has(at) && partition.is_none_or(|of| of == at.partition)));
    params.finish(Some(()))?;
    if let Some(after) = query.after {
        wait_for_cursor(AUDIT(&ledger), after, min.within).await?;
    }
    let topics = query.topic.map_or(TOPICS.to_vec(), |topic| vec![topic]);
    let all = topics.into_iter().flat_map(|topic| ledger.all_of(topic));
    let rests_on: Vec<TopicPartition> =
        all.filter(|of| query.partition.is_none_or(|partition| partition == of.partition)).collect();
    if form != Form::Json {
        return export(ledger, form, (query, wanted), (min, rests_on)).await;
    }
    let (page, as_of) = read(&ledger, AUDIT, min, rests_on, move |view| events(view, &query)).await?;
    let rows: Vec<AuditRow> = page.records.iter().map(AuditRow::from).collect();
    let next = page.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}

async fn export(
    ledger: Arc<Ledger>,
    form: Form,
    (query, wanted): (EventsQuery, Wanted<Position>),
    (min, rests_on): (MinPosition, Vec<TopicPartition>),
) -> Result<Response, Problem> {
    let ((), as_of) = read(&ledger, AUDIT, min, rests_on, |_| Ok(())).await?;
    let mut rest = Rest { after: query.after, ..Rest::of(&wanted) };
    let end = as_of.clone();
    let step = move |reader: &ViewReader, sheet: &mut Sheet| {
        let (query, mut rows) = (EventsQuery { after: rest.after, limit: rest.left, ..query }, 0_usize);
        let next = visit_events(
            reader,
            &query,
            STRETCH_BYTES,
            |of| end.end_of(of),
            |record| {
                rows = rows.saturating_add(1);
                sheet.add(&AuditLine(record));
            },
        )?;
        Ok(rest.pass(rows, next))
    };
    Export { ledger, view: AUDIT, form, name: "events", as_of }.stream::<AuditLine<'_>>(step).await
}

/// Types with commas between them.
fn types(text: &str) -> Result<Types, &'static str> {
    let unknown = "must be event types such as OrderFilled, or types of the topic notifications such as WebhookSet";
    text.split(',').map(|name| Types::from_name(name).ok_or(unknown)).collect()
}

pub(super) fn topic(text: &str) -> Result<Topic, &'static str> {
    text.parse().map_err(|_| "must be orders, books, trades, dead-letters or notifications")
}

/// A whole number of the path.
pub(super) fn number(text: &str) -> Result<u64, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u64>().ok().filter(|_| plain).ok_or("must be a whole number")
}

/// 404 of a position without a record.
pub(super) fn unknown_record() -> Problem {
    Problem::not_found("unknown-record", "the audit trail has no record at this position")
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = params.path("topic", topic);
    let (partition, offset) = (params.path("partition", number), params.path("offset", number));
    let min = params.min_position(TOPICS)?;
    let (topic, (partition, offset)) = params.finish(topic.zip(partition.zip(offset)))?;
    let partition = u32::try_from(partition).ok().filter(|partition| *partition < ledger.partitions);
    let of = topic.at(partition.ok_or_else(unknown_record)?);
    let (found, as_of) = read(&ledger, AUDIT, min, vec![of], move |view| record(view, of.offset(offset))).await?;
    answer::object(&headers, &AuditRow::from(&found.ok_or_else(unknown_record)?), &as_of)
}
