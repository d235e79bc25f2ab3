//! `GET /v1/webhooks`, `/v1/webhooks/{webhookId}` and `…/dead-letters`: who is told, and what was given up.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::WebhookRow;
use orderledger_projections::notifications::said::{place_of, webhook_key};
use orderledger_store::views::Direction;
use uuid::Uuid;

use super::{NOTIFICATIONS, read};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::{DeadLetterShown, WebhookShown};

/// The topics that webhooks are made of.
const TOPICS: &[Topic] = &[Topic::Orders, Topic::Notifications];

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    params.finish(Some(()))?;
    let of: Vec<TopicPartition> = ledger.all_of(Topic::Notifications).collect();
    let (all, as_of) = read(&ledger, NOTIFICATIONS, min, of, queries::webhooks).await?;
    let active = all.into_iter().filter(|(_, row)| !row.is_deleted);
    let rows: Vec<WebhookShown> = active.map(|(id, row)| shown(&ledger, id, row)).collect();
    answer::whole_list(&headers, &rows, &as_of)
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = params.path("webhookId", Uuid::parse_str);
    let min = params.min_position(TOPICS)?;
    let id = params.finish(id)?;
    let of = place_of(&webhook_key(id), ledger.partitions);
    let (row, as_of) = read(&ledger, NOTIFICATIONS, min, vec![of], move |view| queries::webhook(view, id)).await?;
    let row = row.filter(|row| !row.is_deleted).ok_or_else(Problem::unknown_webhook)?;
    answer::object(&headers, &shown(&ledger, id, row), &as_of)
}

fn shown(ledger: &Ledger, id: Uuid, row: WebhookRow) -> WebhookShown {
    let key_is_known = ledger.webhooks.knows_key_of(&row);
    WebhookShown::new(id, row, ledger.webhooks.standing(id), key_is_known)
}

pub(crate) async fn dead_letters(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = params.path("webhookId", Uuid::parse_str);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page_in::<Position>(Direction::Ascending);
    let id = params.finish(id)?;
    let of = place_of(&webhook_key(id), ledger.partitions);
    let (after, limit) = (wanted.after, wanted.limit);
    let (page, as_of) = read(&ledger, NOTIFICATIONS, min, vec![of], move |view| {
        let is_known = queries::webhook(view, id)?.is_some_and(|row| !row.is_deleted);
        if is_known { queries::dead_letters(view, id, after, limit).map(Some) } else { Ok(None) }
    })
    .await?;
    let (page, has_more) = page.ok_or_else(Problem::unknown_webhook)?;
    let next = page.last().filter(|_| has_more).map(|(at, _)| cursor::write(&wanted.scope, at));
    let rows: Vec<DeadLetterShown> = page.into_iter().map(DeadLetterShown::from).collect();
    answer::list(&headers, &rows, next, &as_of)
}
