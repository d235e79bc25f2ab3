//! What a user is told, and the webhooks that are told of it.

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::notifications::rows::{DeadLetterRow, WebhookRow};
use serde::Serialize;
use uuid::Uuid;

use super::record::ValueRow;
use crate::webhooks::Standing;

/// A notification.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationRow {
    position: Position,
    recorded_at: Timestamp,
    event_type: EventType,
    read: bool,
    #[serde(flatten)]
    value: ValueRow,
}

impl NotificationRow {
    pub(crate) fn new(
        position: Position,
        event_type: EventType,
        read: bool,
        (recorded_at, value): (Timestamp, &Option<Bytes>),
    ) -> NotificationRow {
        NotificationRow { position, recorded_at, event_type, read, value: ValueRow::of(value) }
    }
}

/// A webhook, without its secret.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookShown {
    webhook_id: Uuid,
    url: String,
    user_id: Option<UserId>,
    event_types: Option<Vec<EventType>>,
    secret_version: u32,
    /// Until then the secret before it signs, too.
    previous_secret_until: Option<Timestamp>,
    /// One of [`crate::webhooks::STATES`].
    state: &'static str,
    waiting: usize,
    sent: u64,
    error: Option<String>,
    position: Position,
}

impl WebhookShown {
    pub(crate) fn new(id: Uuid, row: WebhookRow, standing: Standing, key_is_known: bool) -> WebhookShown {
        let state = standing.state(key_is_known);
        let (position, Standing { waiting, sent, error, .. }) = (row.at(), standing);
        WebhookShown {
            webhook_id: id,
            url: row.url,
            user_id: row.user_id,
            event_types: row.event_types,
            secret_version: row.secret_version,
            previous_secret_until: row.previous_until,
            state,
            waiting,
            sent,
            error,
            position,
        }
    }
}

/// A delivery that was given up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterShown {
    position: Position,
    user_id: UserId,
    attempts: u32,
    error: String,
}

impl From<(Position, DeadLetterRow)> for DeadLetterShown {
    fn from((position, row): (Position, DeadLetterRow)) -> DeadLetterShown {
        let DeadLetterRow { user_id, attempts, error, .. } = row;
        DeadLetterShown { position, user_id, attempts, error }
    }
}
