//! `GET /v1/accounts/{userId}/notifications` and `…/preferences`: what the user is told, and what not.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_projections::notifications::queries::{Inbox, Notification, inbox, user};
use orderledger_store::Error;
use serde::Serialize;

use super::transactions::in_settlement;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor, values};
use crate::ledger::{Ledger, blocking};
use crate::queries::{NOTIFICATIONS, read, unknown_account, wait_for_cursor};
use crate::rows::NotificationRow;

/// The topics that inboxes are made of.
const TOPICS: &[Topic] = &[Topic::Orders, Topic::Notifications];

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let whose = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<u64>();
    let types = params.query("type", values::notification_types);
    let unread = params.switch("unread");
    let whose = params.finish(whose)?;
    let of = ledger.orders_of(whose.as_str());
    if let Some(offset) = wanted.after {
        wait_for_cursor(NOTIFICATIONS(&ledger), of.offset(offset), min.within).await?;
    }
    let (after, limit, direction, asked) = (wanted.after, wanted.limit, wanted.direction, whose.clone());
    let ((page, next), as_of) = read(&ledger, NOTIFICATIONS, min, vec![of], move |view| {
        inbox(view, &Inbox { user: &asked, types: types.as_deref(), unread, direction, after, limit })
    })
    .await?;
    if page.is_empty() && !in_settlement(&ledger, &whose)?.0 {
        return Err(unknown_account());
    }
    let reading = Arc::clone(&ledger);
    let rows = blocking(move || {
        let row = |Notification { offset, event_type, is_read }: Notification| {
            let at = of.offset(offset);
            let (recorded_at, value) = reading.event_at(at)?;
            Ok(NotificationRow::new(at, event_type, is_read, (recorded_at, &value)))
        };
        page.into_iter().map(row).collect::<Result<Vec<_>, Error>>()
    })
    .await?;
    let next = next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}

#[derive(Serialize)]
struct Preferences {
    muted: Vec<EventType>,
}

pub(crate) async fn preferences(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let whose = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let whose = params.finish(whose)?;
    let of = Topic::Notifications.at(ledger.orders_of(whose.as_str()).partition);
    let (known, _) = in_settlement(&ledger, &whose)?;
    let (row, as_of) = read(&ledger, NOTIFICATIONS, min, vec![of], move |view| user(view, &whose)).await?;
    if !known && row.preferences_calls.newest().is_none() {
        return Err(unknown_account());
    }
    answer::object(&headers, &Preferences { muted: row.muted().types().collect() }, &as_of)
}
