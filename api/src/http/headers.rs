//! `Idempotency-Key` and `Prefer`.

use std::fmt::Display;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use orderledger_domain::ids::OrderId;
use uuid::Uuid;

use super::problem::Problem;

/// The longest wait that `Prefer` gets.
const WAIT_MAX: u64 = 60;

/// The client's name of a write, for ever; it belongs to an account, whatever the method and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key that the headers name.
    pub(crate) fn of(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
        let mut keys = headers.get_all("idempotency-key").iter();
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) => std::str::from_utf8(key.as_bytes()).ok(),
            _ => None,
        };
        key.and_then(IdempotencyKey::parse).ok_or_else(|| {
            let detail = "the header Idempotency-Key must be there once, with 1 to 255 visible ASCII characters";
            Problem::new(StatusCode::BAD_REQUEST, "idempotency-key-required", detail)
        })
    }

    /// The key of that name; none if no key is named so.
    pub(crate) fn parse(name: &str) -> Option<IdempotencyKey> {
        let fits = (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| IdempotencyKey(name.to_owned()))
    }

    /// The key of one of the requests that were made under this one. No key of a caller's has a space.
    pub(crate) fn part(&self, name: impl Display) -> IdempotencyKey {
        IdempotencyKey(format!("{} {name}", self.0))
    }

    /// The eventId of what this account asks under this key: the same for ever.
    pub(crate) fn event_id(&self, account: &str) -> Uuid {
        const EVENTS: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_6576_6e74);
        self.id(&EVENTS, account)
    }

    /// The orderId of an order placed by this account under this key.
    pub(crate) fn order_id(&self, account: &str) -> Option<OrderId> {
        const ORDERS: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_6f72_6472);
        OrderId::new(&self.id(&ORDERS, account).to_string()).ok()
    }

    fn id(&self, namespace: &Uuid, account: &str) -> Uuid {
        // No account's name has a space: two pairs never give the same text.
        Uuid::new_v5(namespace, format!("{account} {}", self.0).as_bytes())
    }
}

/// Whether the caller wants no wait for what the request sets going (RFC 7240, `respond-async`).
pub(crate) fn prefers_async(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).any(|one| one.trim().eq_ignore_ascii_case("respond-async"))
}

/// How long the caller wants to wait for a decision (RFC 7240, `wait`, in seconds); what can't be read is ignored.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split([',', ';']));
    let mut waits = preferences.filter_map(|preference| {
        let (name, seconds) = preference.split_once('=')?;
        let seconds = seconds.trim().trim_matches('"');
        let plain = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        (name.trim().eq_ignore_ascii_case("wait") && plain).then(|| seconds.parse().unwrap_or(WAIT_MAX).min(WAIT_MAX))
    });
    waits.next().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<IdempotencyKey, Problem> {
        IdempotencyKey::of(&HeaderMap::from_iter([("idempotency-key".parse().unwrap(), text.parse().unwrap())]))
    }

    #[test]
    fn respond_async_is_read_among_other_preferences_and_in_any_case() {
        let asks =
            |text: &str| prefers_async(&HeaderMap::from_iter([("prefer".parse().unwrap(), text.parse().unwrap())]));
        assert!(asks("respond-async") && asks("wait=2, Respond-Async") && asks("handling=lenient; respond-async"));
        assert!(!asks("wait=2") && !asks("respond-async-not") && !prefers_async(&HeaderMap::new()));
    }

    #[test]
    fn a_key_is_visible_ascii_and_there_once() {
        assert!(key("a-1").is_ok() && key(&"x".repeat(255)).is_ok());
        for bad in ["", "a b", &"x".repeat(256), "ü"] {
            assert_eq!(key(bad).unwrap_err().code, "idempotency-key-required", "{bad}");
        }
        assert!(IdempotencyKey::of(&HeaderMap::new()).is_err());
    }

    #[test]
    fn ids_follow_from_account_and_key_for_ever() {
        let key = key("a-1").unwrap();
        insta::assert_snapshot!(key.event_id("u1"), @"58ead894-13f0-5cc7-b009-005cfe691f69");
        insta::assert_snapshot!(key.order_id("u1").unwrap(), @"f2a22181-a038-5730-8a5e-66fda2a9dab3");
        assert_ne!(key.event_id("u1"), key.event_id("u2"));
    }

    #[test]
    fn a_part_has_a_key_that_no_caller_can_name() {
        let parts = ["0", "10", "1"].map(|name| key("a").unwrap().part(name).event_id("u1"));
        assert!(parts[0] != parts[1] && parts[1] != parts[2], "{parts:?}");
        assert_ne!(key("a").unwrap().part("1"), key("a1").unwrap());
        assert_ne!(key("a").unwrap().part("1").part("0"), key("a").unwrap().part("10"));
        assert_eq!(IdempotencyKey::parse("a 1"), None);
        insta::assert_snapshot!(key("a-1").unwrap().part(7).event_id("u1"), @"7c5794ca-1e3e-5148-bfa0-e4a09c937d46");
    }

    #[test]
    fn a_wait_is_read_and_bounded() {
        let wait = |text: &str| {
            preferred_wait(&HeaderMap::from_iter([("prefer".parse().unwrap(), text.parse().unwrap())]))
                .map(|w| w.as_secs())
        };
        let cases = [
            ("wait=2", Some(2)),
            ("respond-async, wait=\"10\"", Some(10)),
            ("wait=99999999999999999999", Some(60)),
            ("wait=0", None),
            ("wait", None),
            ("wait=-1", None),
            ("wait=soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(wait(text), expected, "{text}");
        }
    }
}
