//! `POST …/notifications/read` and `PUT …/notifications/preferences`: what a user has read, and wants to be told.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::EventType;
use orderledger_domain::position::Position;
use orderledger_projections::notifications::calls::{Asked, Call};
use orderledger_projections::notifications::queries;
use orderledger_projections::notifications::rows::{Muted, UserRow};
use orderledger_projections::notifications::said::{NotificationsRead, PreferencesSet, Said};
use serde::Serialize;
use uuid::Uuid;

use super::user_of;
use crate::access::caller::Caller;
use crate::commands::said::{hears, key_reused, say};
use crate::http::answer::Written;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::{FieldError, Problem};
use crate::http::{body, values};
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadAnswer {
    read_up_to: Position,
    position: Position,
}

/// Everything up to a position is read; an older call makes nothing unread.
pub(crate) async fn read(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    let up_to = fields.required("upTo", values::position);
    let up_to = fields.finish(up_to)?;
    let home = ledger.orders_of(user.as_str());
    if up_to.topic_partition() != home || up_to.offset >= ledger.end_of(home).await? {
        let detail = format!("must be a position of {home} that the log has: the user's events stand there");
        return Err(Problem::invalid(vec![FieldError::field("upTo", detail)]));
    }
    hears(&ledger)?;
    let event_id = key.event_id(user.as_str());
    let known = queries::user(&ledger.notifications.reader()?, &user)?;
    let before = before(&known, event_id, &Asked::Read(up_to))?;
    let position = match before {
        Some(call) => call.at,
        None => {
            let said = Said::NotificationsRead(NotificationsRead { user_id: user.clone(), up_to });
            say(&ledger, event_id, &said, caller.actor()).await?
        }
    };
    let read_up_to = queries::user(&ledger.notifications.reader()?, &user)?.read_up_to;
    let answer = ReadAnswer { read_up_to: home.offset(read_up_to.unwrap_or(up_to.offset)), position };
    written(position, before.is_some()).answer(&answer)
}

#[derive(Serialize)]
struct PreferencesAnswer {
    muted: Vec<EventType>,
    position: Position,
}

/// What the user isn't told of from now on; earlier notifications stay as they are.
pub(crate) async fn preferences(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    let muted = fields.required("muted", values::event_types);
    let muted: Muted = fields.finish(muted)?.into_iter().collect();
    hears(&ledger)?;
    let event_id = key.event_id(user.as_str());
    let known = queries::user(&ledger.notifications.reader()?, &user)?;
    let before = before(&known, event_id, &Asked::Mute(muted))?;
    let position = match before {
        Some(call) => call.at,
        None => {
            let home = ledger.orders_of(user.as_str());
            let from = home.offset(ledger.end_of(home).await?);
            let set = PreferencesSet { user_id: user, muted: muted.types().collect(), from };
            say(&ledger, event_id, &Said::NotificationPreferencesSet(set), caller.actor()).await?
        }
    };
    written(position, before.is_some()).answer(&PreferencesAnswer { muted: muted.types().collect(), position })
}

/// The same call, made before; refused if it asked for something else then.
fn before<'a>(known: &'a UserRow, event_id: Uuid, asked: &Asked) -> Result<Option<&'a Call>, Problem> {
    let call = known.read_calls.find(event_id).or_else(|| known.preferences_calls.find(event_id));
    if call.is_some_and(|call| call.asked != *asked) { Err(key_reused()) } else { Ok(call) }
}

fn written(position: Position, replayed: bool) -> Written {
    Written { status: StatusCode::OK, position: position.to_string(), location: None, replayed, waited: false }
}
