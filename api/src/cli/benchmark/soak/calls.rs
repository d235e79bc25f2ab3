//! What is asked on the demo's market day, as calls over HTTP.

use std::collections::HashMap;

use hyper::Method;
use orderledger_domain::envelope;
use orderledger_domain::event::Event;
use orderledger_domain::timestamp::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

/// One call. `order` is the day's own name of the order that it places.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) body: String,
    pub(super) order: Option<String>,
}

/// The names that the server gave to the day's orders.
pub(super) type OrderIds = HashMap<String, String>;

/// The call that asks for the event, with that key where it is no order; none where the order that it is about was never
/// answered for.
pub(super) fn of(event: &Event, key: &str, ids: &OrderIds) -> Option<Call> {
    let mut fields = payload(event)?;
    // The address names them.
    let (user, order) = (text(fields.remove("userId")), text(fields.remove("orderId")));
    let account = format!("/v1/accounts/{}", user.unwrap_or_default());
    let known = || order.as_deref().and_then(|order| ids.get(order));
    let (method, path) = match event {
        Event::DepositMade(_) => (Method::POST, format!("{account}/deposits")),
        Event::WithdrawalRequested(_) => (Method::POST, format!("{account}/withdrawals")),
        Event::OrderCreated(_) => (Method::POST, format!("{account}/orders")),
        Event::OrderAmendRequested(_) => (Method::PATCH, format!("{account}/orders/{}", known()?)),
        Event::OrderCancelRequested(_) => {
            fields.clear();
            (Method::DELETE, format!("{account}/orders/{}", known()?))
        }
        Event::FeeScheduleRequested(_) => (Method::PUT, "/v1/fees".to_owned()),
        Event::SessionCloseRequested(_) => (Method::POST, "/v1/sessions/close".to_owned()),
        _ => return None,
    };
    let order = order.filter(|_| matches!(event, Event::OrderCreated(_)));
    // A repeated order is the same call: it has the same key.
    let key = order.clone().unwrap_or_else(|| key.to_owned());
    let body = if method == Method::DELETE { String::new() } else { Value::Object(fields).to_string() };
    Some(Call { method, path, key, body, order })
}

/// The event's payload as records from outside have it: the same fields as the calls' bodies.
fn payload(event: &Event) -> Option<Map<String, Value>> {
    let text = envelope::write_outside(Uuid::nil(), Timestamp::from_micros(0), event, "soak");
    match serde_json::from_slice::<Value>(&text).ok()?.get_mut("payload")?.take() {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn text(value: Option<Value>) -> Option<String> {
    value.and_then(|value| value.as_str().map(str::to_owned))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::demo::market_day::{MarketDay, Plan};

    #[test]
    fn a_day_becomes_calls_and_what_is_about_an_unknown_order_none() {
        let day = MarketDay::new(Plan { orders: 300, users: 12, seed: 1 }, 12).unwrap();
        let mut ids = OrderIds::new();
        let (mut seen, mut unknown) = (HashMap::<String, Call>::new(), 0);
        for (number, (_, event)) in (0_u64..).zip(day.asked()) {
            match of(&event, &format!("r-{number}"), &ids) {
                Some(call) => {
                    ids.extend(call.order.clone().map(|order| (order.clone(), format!("id-of-{order}"))));
                    let kind = format!("{} {}", call.method, call.path.rsplit('/').next().unwrap());
                    let kind = if kind.contains("id-of") { call.method.to_string() } else { kind };
                    seen.entry(kind).or_insert(call);
                }
                None => unknown += 1,
            }
        }
        assert_eq!(unknown, 1, "the day cancels one order that nobody placed");
        let mut kinds: Vec<&String> = seen.keys().collect();
        kinds.sort();
        assert_eq!(kinds, ["DELETE", "PATCH", "POST orders", "POST withdrawals"]);
        let order = &seen["POST orders"];
        assert_eq!(order.key, "day-1");
        assert!(!order.body.contains("userId") && order.body.contains("\"timeInForce\""), "{}", order.body);
        assert!(seen["DELETE"].body.is_empty() && seen["PATCH"].path.contains("/orders/id-of-day-"));
    }
}
