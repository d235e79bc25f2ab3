//! How what records of `notifications` say is written, and where they stand: a user's under the user's name, a webhook's
//! under its id, each in the partition of that key.

use bytes::Bytes;
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
pub use orderledger_domain::said::{
    Behind, DeliveryFailed, EarlierSecret, NotificationsRead, PreferencesSet, ResendRequested, Said, Spoken,
    WebhookDeleted, WebhookMarked, WebhookSet, read,
};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::NewRecord;
use serde::Serialize;
use uuid::Uuid;

/// The key of what is said.
pub fn key_of(said: &Said) -> String {
    match said {
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
    said: &Said,
    event_id: Uuid,
    timestamp: Timestamp,
    source: &str,
    actor: Option<&str>,
    partitions: u32,
) -> NewRecord {
    let written = Written { event_id, timestamp, said, metadata: Metadata { version: "2.0", source, actor } };
    // Writing names, numbers and texts into memory can't fail.
    let value = serde_json::to_vec(&written).unwrap_or_default();
    let key = key_of(said);
    NewRecord {
        to: place_of(&key, partitions),
        key: Some(Bytes::from(key)),
        value: Some(Bytes::from(value)),
        headers: Vec::new(),
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
