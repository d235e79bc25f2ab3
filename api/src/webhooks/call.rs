//! One call: signed anew for each attempt, answered by a status alone. Nothing of a body is read, no redirect is followed, no
//! proxy of the environment is asked, and all of it takes no longer than it may.

use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use uuid::Uuid;

use super::Settings;
use super::guard::{Guard, check_url};
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
    #[serde(borrow)]
    event_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    timestamp: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// The `webhook-id` and the body of the record that stands there; none if it is no event. The id follows from all bytes of the
/// record: an event's own id follows from where its cause stands, and after a restore from an older copy of the log something else may
/// stand there.
pub(super) fn message(webhook: Uuid, at: Position, value: &[u8]) -> Option<(String, Vec<u8>)> {
    const MESSAGES: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_686f_6f6b);
    let Envelope { event_type, timestamp, payload } = serde_json::from_slice(value).ok()?;
    let body = Body { r#type: &event_type, timestamp: &timestamp, position: at, data: payload };
    let id = Uuid::new_v5(&MESSAGES, &[format!("{webhook} ").as_bytes(), value].concat());
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
    ureq::Agent::with_parts(
        config,
        DefaultConnector::default(),
        Guard { allow_private: settings.allow_private, names: DefaultResolver::default() },
    )
}

/// Makes the call; why it failed, if it did. Where it goes is looked at each time: what is allowed may be another thing than when the
/// webhook was registered.
pub(super) fn make(agent: &ureq::Agent, call: &Call, allow_private: bool) -> Result<(), String> {
    check_url(&call.url, allow_private).map_err(|what| format!("its address {what}"))?;
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
        insta::assert_snapshot!(id, @"msg_aff92eed61c554cdb7f407f986833493");
        insta::assert_snapshot!(String::from_utf8(body).unwrap(), @r#"{"type":"OrderFilled","timestamp":"2025-01-15T10:30:00Z","position":"orders-3@9","data":{"price":  150.2500}}"#);
        assert_ne!(message(Uuid::from_u128(8), Topic::Orders.at(3).offset(9), value).unwrap().0, id, "another webhook");
        let other = String::from_utf8(value.to_vec()).unwrap().replace("10:30:00Z", "10:30:01Z");
        let restored = message(Uuid::from_u128(7), Topic::Orders.at(3).offset(9), other.as_bytes()).unwrap();
        assert_ne!(restored.0, id, "what stands there after a restore from an older backup, with the same eventId");
        assert!(message(Uuid::nil(), Topic::Orders.at(3).offset(9), b"{}").is_none());
    }

    fn call(url: &str) -> Call {
        let (user, id) = (UserId::new("ann").unwrap(), "msg_1".to_owned());
        Call { user, url: url.to_owned(), id, body: Vec::new(), secrets: Vec::new() }
    }

    /// One that was registered while that was allowed.
    #[test]
    fn where_a_call_goes_is_looked_at_each_time() {
        let strict = agent(&Settings { timeout: std::time::Duration::from_secs(1), ..Settings::default() });
        let why = make(&strict, &call("http://example.com/hook"), false).unwrap_err();
        assert!(why.contains("must begin with https"), "{why}");
        let why = make(&strict, &call("https://127.0.0.1:1/hook"), false).unwrap_err();
        assert!(why.contains("must be a public address"), "{why}");
        // A name that leads to a private address is found out when it is resolved.
        let why = strict.post("https://localhost:1/hook").send_empty().unwrap_err().to_string();
        assert!(why.contains("the address is private"), "{why}");
        let lax = Settings { allow_private: true, timeout: std::time::Duration::from_secs(1), ..Settings::default() };
        let why = make(&agent(&lax), &call("http://127.0.0.1:1/hook"), true).unwrap_err();
        assert!(why.contains("refused"), "{why}");
    }
}
