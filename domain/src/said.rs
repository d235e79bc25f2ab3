//! What records of `notifications` say (docs/EVENTS.md). They are no events: no stage judges them, and elsewhere their types are
//! unknown. Form and versions are those of events.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::envelope::{Refusal, refuse_json, text_of};
use crate::event::EventType;
use crate::ids::UserId;
use crate::object;
use crate::position::Position;
use crate::reason::RefuseReason;
use crate::timestamp::Timestamp;
use crate::version::Version;

macro_rules! said {
    ($($(#[doc = $doc:literal])* $name:ident($payload:ty);)*) => {
        /// What is said.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "eventType", content = "payload")]
        pub enum Said { $($(#[doc = $doc])* $name($payload),)* }

        impl Said {
            /// Every type, as `eventType` names it, and what a record of it says, in words.
            pub const TYPES: &'static [(&'static str, &'static str)] = &[$((stringify!($name), concat!($($doc),*)),)*];

            /// The type, as `eventType` names it.
            pub const fn name(&self) -> &'static str {
                match self { $(Said::$name(_) => stringify!($name),)* }
            }

            /// The form of the payload of that type.
            pub(crate) fn payload_schema(name: &str, of: &mut SchemaGenerator) -> Option<Schema> {
                match name { $(stringify!($name) => Some(<$payload>::json_schema(of)),)* _ => None }
            }

            fn from_payload(name: &str, payload: &str) -> Result<Said, Refusal> {
                match name {
                    $(stringify!($name) => object::from_str(payload).map(Said::$name),)*
                    _ => return Err(Refusal::unknown_type(name)),
                }
                .map_err(|error| refuse_json(&error))
            }
        }
    };
}

said! {
    /// A user has read all up to a position.
    NotificationsRead(NotificationsRead);
    /// A user wants to be told of these things no more, from a position on.
    NotificationPreferencesSet(PreferencesSet);
    /// A webhook is registered, or has another secret.
    WebhookSet(WebhookSet);
    /// A webhook is told nothing any more.
    WebhookDeleted(WebhookDeleted);
    /// How far a webhook was told.
    WebhookMarked(WebhookMarked);
    /// A delivery was given up.
    WebhookDeliveryFailed(DeliveryFailed);
    /// An operator wants a stretch sent again.
    WebhookResendRequested(ResendRequested);
}

/// NotificationsRead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationsRead {
    /// Who.
    pub user_id: UserId,
    /// In the user's partition of `orders`, this one included.
    pub up_to: Position,
}

/// NotificationPreferencesSet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// The secrets before that one that still sign, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierSecret>,
    /// Which key the secrets are made from.
    pub key_fingerprint: String,
    /// The first positions of `orders` that it is told of, by partition; of the registration, and kept.
    pub from: Vec<Position>,
}

/// A secret that signs beside newer ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlierSecret {
    /// Which.
    pub secret_version: u32,
    /// Until then.
    pub until: Timestamp,
}

/// WebhookDeleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeleted {
    /// Which.
    pub webhook_id: Uuid,
}

/// WebhookMarked: all of it, not what changed since the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Requests that are done with though an earlier one is not: what no mark has named yet, as far as the sender knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resent_too: Vec<Position>,
}

/// An account of which a delivery has not succeeded yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A record of `notifications`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The version it was written in.
    pub version: Version,
    /// The id of the call, or of the mark.
    pub event_id: Uuid,
    /// What it says.
    pub said: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    event_id: Uuid,
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow, deserialize_with = "object::deserialize")]
    metadata: MetadataWire<'a>,
}

#[derive(Deserialize)]
struct MetadataWire<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
}

/// Reads a record's value. Like an event's, a newer minor version is read, and a newer major one is not.
///
/// # Errors
/// Why it says nothing to this program.
pub fn read(value: Option<&[u8]>) -> Result<Spoken, Refusal> {
    let wire: Wire = object::from_str(text_of(value)?).map_err(|error| refuse_json(&error))?;
    let Wire { event_id, event_type, payload, metadata } = wire;
    // Version 1.0 was over before there were any.
    let version =
        Version::readable(&metadata.version).filter(|version| *version >= Version::V2_0).ok_or_else(|| {
            Refusal::new(RefuseReason::UnknownVersion, format!("version {:.64} is not 2.0", metadata.version))
        })?;
    Ok(Spoken { version, event_id, said: Said::from_payload(&event_type, payload.get())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deleted(change: (&str, &str)) -> Result<Version, RefuseReason> {
        let record = r#"{"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2025-01-15T10:30:00Z","eventType":"WebhookDeleted","payload":{"webhookId":"00000000-0000-0000-0000-000000000007"},"metadata":{"version":"2.0","source":"http"}}"#;
        let read = read(Some(record.replace(change.0, change.1).as_bytes()));
        read.map(|spoken| spoken.version).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_newer_minor_version_is_read_and_a_newer_major_one_is_refused() {
        assert_eq!(deleted(("", "")), Ok(Version::V2_0));
        assert_eq!(deleted((r#""2.0""#, r#""2.7""#)).map(|version| version.to_string()), Ok("2.7".to_owned()));
        for (change, reason) in [
            ((r#""2.0""#, r#""3.0""#), RefuseReason::UnknownVersion),
            ((r#""2.0""#, r#""1.0""#), RefuseReason::UnknownVersion),
            (("WebhookDeleted", "WebhookForgotten"), RefuseReason::UnknownType),
            ((r#""webhookId""#, r#""hookId""#), RefuseReason::BadEnvelope),
            ((r#""version":"2.0","#, ""), RefuseReason::BadEnvelope),
        ] {
            assert_eq!(deleted(change), Err(reason), "{change:?}");
        }
    }
}
