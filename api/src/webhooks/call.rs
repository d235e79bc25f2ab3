//! One call: signed anew for each attempt, answered by a status alone. Nothing of a body is read, no redirect is followed, no
//! proxy of the environment is asked, and all of it takes no longer than it may.

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::unversioned::transport::DefaultConnector;
use uuid::Uuid;

use super::Settings;
use super::guard::Guard;
use super::secrets::Secret;
use crate::ledger;

/// Headers of an answer may have so many bytes.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// What is sent, and to whom.
pub(super) struct Call {
    pub(super) user: UserId,
    pub(super) url: String,
    /// `webhook-id`: the same for every attempt, whoever makes it.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// The newest first.
    pub(super) secrets: Vec<Secret>,
}

/// An event as a webhook is told it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: &'a str,
    timestamp: &'a str,
    position: Position,
    data: &'a RawValue,
}

/// What of a record goes out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    event_id: Uuid,
    #[serde(borrow)]
    event_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    timestamp: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The `webhook-id` and the body of the record that stands there; none if it is no event.
pub(super) fn message(webhook: Uuid, at: Position, value: &[u8]) -> Option<(String, Vec<u8>)> {
    const MESSAGES: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_686f_6f6b);
    let Envelope { event_id, event_type, timestamp, payload } = serde_json::from_slice(value).ok()?;
    let body = Body { r#type: &event_type, timestamp: &timestamp, position: at, data: payload };
    let id = Uuid::new_v5(&MESSAGES, format!("{webhook} {event_id}").as_bytes());
    Some((format!("msg_{}", id.simple()), serde_json::to_vec(&body).ok()?))
}

/// What makes calls to one webhook.
pub(super) fn agent(settings: &Settings) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(settings.timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .max_response_header_size(HEADER_BYTES_MAX)
        .user_agent(concat!("orderledger/", env!("CARGO_PKG_VERSION")))
        .build();
    ureq::Agent::with_parts(config, DefaultConnector::default(), Guard { allow_private: settings.allow_private })
}

/// Makes the call; why it failed, if it did.
pub(super) fn make(agent: &ureq::Agent, call: &Call) -> Result<(), String> {
    let timestamp = ledger::now().millis().div_euclid(1000);
    let signatures: Vec<String> =
        call.secrets.iter().map(|secret| secret.sign(&call.id, timestamp, &call.body)).collect();
    let request = agent
        .post(&call.url)
        .header("content-type", "application/json")
        .header("webhook-id", &call.id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signatures.join(" "));
    match request.send(call.body.as_slice()) {
        // The answer is dropped unread, and the connection with it.
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn a_message_has_these_bytes_and_one_id_for_ever() {
        let value = br#"{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderFilled","timestamp":"2025-01-15T10:30:00Z","payload":{"price":  150.2500},"metadata":{}}"#;
        let (id, body) = message(Uuid::from_u128(7), Topic::Orders.at(3).offset(9), value).unwrap();
        insta::assert_snapshot!(id, @"msg_69548b7e03e45490befbe1a412a899ba");
        insta::assert_snapshot!(String::from_utf8(body).unwrap(), @r#"{"type":"OrderFilled","timestamp":"2025-01-15T10:30:00Z","position":"orders-3@9","data":{"price":  150.2500}}"#);
        assert_ne!(message(Uuid::from_u128(8), Topic::Orders.at(3).offset(9), value).unwrap().0, id, "another webhook");
        assert!(message(Uuid::nil(), Topic::Orders.at(3).offset(9), b"{}").is_none());
    }
}
