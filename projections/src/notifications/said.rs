//! What records of `notifications` say (docs/EVENTS.md), and where they stand: a user's under the user's name, a webhook's
//! under its id, each in the partition of that key.

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::NewRecord;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is said; a name that is not among these says nothing to this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "eventType", content = "payload")]
pub enum Said {
    /// A user has read all up to a position.
    NotificationsRead(NotificationsRead),
    /// A user wants to be told of these things no more, from a position on.
    NotificationPreferencesSet(PreferencesSet),
    /// A webhook is registered, or has another secret.
    WebhookSet(WebhookSet),
    /// A webhook is told nothing any more.
    WebhookDeleted(WebhookDeleted),
    /// How far a webhook was told.
    WebhookMarked(WebhookMarked),
    /// A delivery was given up.
    WebhookDeliveryFailed(DeliveryFailed),
    /// An operator wants a stretch sent again.
    WebhookResendRequested(ResendRequested),
}

/// NotificationsRead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationsRead {
    /// Who.
    pub user_id: UserId,
    /// In the user's partition of `orders`, this one included.
    pub up_to: Position,
}

/// NotificationPreferencesSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreferencesSet {
    /// Who.
    pub user_id: UserId,
    /// Event types that the user isn't told of.
    pub muted: Vec<EventType>,
    /// Of events at this position of the user's partition of `orders` and later: so it doesn't matter which topic is read first.
    pub from: Position,
}

/// WebhookSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSet {
    /// Which.
    pub webhook_id: Uuid,
    /// Where it is.
    pub url: String,
    /// Whose events alone; absent: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Only of these types; absent: of all that users are told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<EventType>>,
    /// Which secret signs, from 1; the secret itself stands in no record.
    pub secret_version: u32,
    /// Until then the secret before it signs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<Timestamp>,
    /// Which key the secrets are made from.
    pub key_fingerprint: String,
    /// The first positions of `orders` that it is told of, by partition; of the registration, and kept.
    pub from: Vec<Position>,
}

/// WebhookDeleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeleted {
    /// Which.
    pub webhook_id: Uuid,
}

/// WebhookMarked: all of it, not what changed since the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookMarked {
    /// Which.
    pub webhook_id: Uuid,
    /// Everything below is done with, by partition of `orders`, but for those that are behind.
    pub next: Vec<Position>,
    /// Accounts that are behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Behind>,
    /// The newest request to send again that is done with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent: Option<Position>,
}

/// An account of which a delivery has not succeeded yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behind {
    /// Which account.
    pub user_id: UserId,
    /// Its first event that is not done with.
    pub next: Position,
    /// How often that was tried.
    pub attempts: u32,
}

/// WebhookDeliveryFailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryFailed {
    /// Which webhook.
    pub webhook_id: Uuid,
    /// Whose event.
    pub user_id: UserId,
    /// The event.
    pub position: Position,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong the last time.
    pub error: String,
}

/// WebhookResendRequested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResendRequested {
    /// To which webhook.
    pub webhook_id: Uuid,
    /// Whose events alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// From this position of `orders` on,
    pub from: Position,
    /// up to this one of the same partition, both included.
    pub to: Position,
}

impl Said {
    /// The record's key.
    pub fn key(&self) -> String {
        match self {
            Said::NotificationsRead(said) => said.user_id.as_str().to_owned(),
            Said::NotificationPreferencesSet(said) => said.user_id.as_str().to_owned(),
            Said::WebhookSet(WebhookSet { webhook_id, .. })
            | Said::WebhookDeleted(WebhookDeleted { webhook_id })
            | Said::WebhookMarked(WebhookMarked { webhook_id, .. })
            | Said::WebhookDeliveryFailed(DeliveryFailed { webhook_id, .. })
            | Said::WebhookResendRequested(ResendRequested { webhook_id, .. }) => webhook_key(*webhook_id),
        }
    }

    /// The record that says it.
    pub fn record(
        &self,
        event_id: Uuid,
        timestamp: Timestamp,
        source: &str,
        actor: Option<&str>,
        partitions: u32,
    ) -> NewRecord {
        let written = Written { event_id, timestamp, said: self, metadata: Metadata { version: "2.0", source, actor } };
        // Writing names, numbers and texts into memory can't fail.
        let value = serde_json::to_vec(&written).unwrap_or_default();
        let key = self.key();
        NewRecord {
            to: place_of(&key, partitions),
            key: Some(Bytes::from(key)),
            value: Some(Bytes::from(value)),
            headers: Vec::new(),
        }
    }
}

/// The key of a webhook's records; no user is called so.
pub fn webhook_key(webhook_id: Uuid) -> String {
    format!("webhook:{webhook_id}")
}

/// Where the records of that key stand.
pub fn place_of(key: &str, partitions: u32) -> TopicPartition {
    Topic::Notifications.at(partition::of_key(key.as_bytes(), partitions))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    event_id: Uuid,
    timestamp: Timestamp,
    #[serde(flatten)]
    said: &'a Said,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
}

/// What a record says, under which id; none if it says nothing to this program.
pub fn read(value: Option<&[u8]>) -> Option<(Uuid, Said)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Found {
        event_id: Uuid,
        #[serde(flatten)]
        said: Said,
    }
    let found: Found = serde_json::from_slice(value?).ok()?;
    Some((found.event_id, found.said))
}
