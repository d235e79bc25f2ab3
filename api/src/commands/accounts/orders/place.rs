//! `POST /v1/accounts/{userId}/orders`: a user's intent.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, OrderCreated};
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_projections::settlement::queries;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::commands::accounts::user_of;
use crate::commands::decided::{self, settled};
use crate::commands::submit::{Judged, submit, unexpected};
use crate::http::answer::Written;
use crate::http::fields::Fields;
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::Ledger;
use crate::rows::OrderRow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: Uuid,
    order_id: OrderId,
    status: Status,
    reason: Option<Rejection>,
    position: Position,
}

/// The order once it is decided.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    event_id: Uuid,
    #[serde(flatten)]
    order: OrderRow,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let order_id = key.order_id(user.as_str()).ok_or_else(Problem::internal)?;
    let asked = order(&text, &user, &order_id)?;
    let symbol = asked.symbol;
    let event_id = key.event_id(user.as_str());
    let judged = submit(&ledger, user.as_str(), event_id, &Event::OrderCreated(asked)).await?;
    let (status, reason) = match &judged.event {
        Event::OrderAccepted(_) => (Status::New, None),
        Event::OrderRejected(rejected) => (Status::Rejected, Some(rejected.reason)),
        _ => return Err(unexpected(&judged)),
    };
    if let Some(deadline) = deadline {
        let booked = (status == Status::New).then_some(symbol);
        let decided = decided::wait(&ledger, &user, judged.asked, judged.position, booked, deadline).await?;
        let (of, id) = (user.clone(), order_id.clone());
        let row =
            if decided.is_some() { settled(&ledger, move |view| queries::order(view, &of, &id)).await? } else { None };
        if let Some((decided, row)) = decided.zip(row) {
            let newest = decided.newest(row.position(), !row.order.cum_quantity.is_zero());
            let order = OrderRow::from(&row).at(&newest);
            return written(&user, &order_id, &judged, newest, true).answer(&Placed { event_id, order });
        }
    }
    let answer = Answer { event_id, order_id: order_id.clone(), status, reason, position: judged.position };
    written(&user, &order_id, &judged, judged.position.to_string(), false).answer(&answer)
}

fn written(user: &UserId, order_id: &OrderId, judged: &Judged, position: String, waited: bool) -> Written {
    Written {
        status: if waited { StatusCode::OK } else { StatusCode::ACCEPTED },
        position,
        location: Some(format!("/v1/accounts/{user}/orders/{order_id}")),
        replayed: judged.replayed,
        waited,
    }
}

/// The order that a body asks for, every default filled in: the same wish gives the same event.
fn order(text: &[u8], user: &UserId, order_id: &OrderId) -> Result<OrderCreated, Problem> {
    let mut fields = Fields::of(text)?;
    let symbol = fields.required("symbol", values::symbol);
    let side = fields.required("side", values::side);
    let order_type = fields.required("orderType", values::order_type);
    let quantity = fields.required("quantity", values::quantity);
    let is_market = order_type == Some(OrderType::Market);
    let price = if order_type == Some(OrderType::Limit) {
        fields.required("price", values::price)
    } else {
        fields.optional("price", values::price)
    };
    let default = if is_market { TimeInForce::Ioc } else { TimeInForce::Gtc };
    let time_in_force = fields.optional("timeInForce", values::time_in_force).unwrap_or(default);
    let post_only = fields.optional("postOnly", values::boolean).unwrap_or(false);
    let max_cost = fields.optional("maxCost", values::amount);
    let client_order_id = fields.optional("clientOrderId", values::client_order_id);
    if is_market && price.is_some() {
        fields.refuse("price", "is forbidden in a market order");
    }
    if is_market && time_in_force.rests() {
        fields.refuse("timeInForce", "of a market order must be ioc or fok");
    }
    if post_only && (is_market || !time_in_force.rests()) {
        fields.refuse("postOnly", "needs a limit order that is day or gtc");
    }
    if max_cost.is_some() && (order_type == Some(OrderType::Limit) || side == Some(Side::Sell)) {
        fields.refuse("maxCost", "is for market buys only");
    }
    if let Some((price, quantity)) = price.zip(quantity)
        && price.times(quantity) > Amount::MAX_NOTIONAL
    {
        fields.refuse("quantity", "times price must be at most 1000000000000");
    }
    let made = || {
        Some(OrderCreated {
            order_id: order_id.clone(),
            user_id: user.clone(),
            symbol: symbol?,
            side: side?,
            order_type: order_type?,
            time_in_force: Some(time_in_force),
            post_only,
            quantity: quantity?,
            price,
            max_cost,
            client_order_id,
        })
    };
    let made = made();
    fields.finish(made)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<OrderCreated, Vec<String>> {
        let (user, order_id) = (UserId::new("u").unwrap(), OrderId::new("o").unwrap());
        order(text.as_bytes(), &user, &order_id)
            .map_err(|problem| problem.errors.into_iter().filter_map(|error| error.pointer).collect())
    }

    /// A good order with one field replaced (or added), or left out.
    fn with(field: &str, value: Option<&str>) -> String {
        let mut fields = vec![
            ("symbol", "\"AAPL\""),
            ("side", "\"buy\""),
            ("orderType", "\"limit\""),
            ("timeInForce", "\"gtc\""),
            ("quantity", "1"),
            ("price", "\"10\""),
        ];
        fields.retain(|(name, _)| *name != field);
        fields.extend(value.map(|value| (field, value)));
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }

    #[test]
    fn spacing_order_and_form_of_numbers_make_no_difference() {
        let plain = check(&with("", None)).unwrap();
        let other =
            r#" { "price" : 10.00, "quantity":"1", "orderType":"limit","side":"buy","symbol":"AAPL","maxCost":null} "#;
        assert_eq!(check(other).unwrap(), plain);
        assert_ne!(check(&with("quantity", Some("2"))).unwrap(), plain);
    }

    #[test]
    fn every_bad_field_is_refused_with_its_pointer() {
        let long = format!("\"{}\"", "x".repeat(300));
        let bad = [
            ("price", Some("\"NaN\"")),
            ("price", Some("null")),
            ("price", None),
            ("price", Some("1e400")),
            ("quantity", Some("0")),
            ("quantity", Some("1.0")),
            ("quantity", None),
            ("symbol", Some("\"../x\"")),
            ("symbol", None),
            ("side", Some("\"BUY \"")),
            ("side", None),
            ("orderType", Some("\"stopp\"")),
            ("timeInForce", Some("\"never\"")),
            ("unknownField", Some("1")),
            ("clientOrderId", Some(long.as_str())),
            ("clientOrderId", Some("\"\\u202e\"")),
            ("postOnly", Some("1")),
            ("maxCost", Some("5")),
        ];
        for (field, value) in bad {
            assert_eq!(check(&with(field, value)), Err(vec![format!("/{field}")]), "{field} {value:?}");
        }
    }

    #[test]
    fn terms_that_contradict_each_other_are_refused() {
        let base = r#""symbol":"AAPL","quantity":100000000000"#;
        let cases = [
            (r#""side":"buy","orderType":"market","timeInForce":"gtc""#, vec!["/timeInForce"]),
            (r#""side":"buy","orderType":"market","timeInForce":"day""#, vec!["/timeInForce"]),
            (r#""side":"buy","orderType":"market","price":1"#, vec!["/price"]),
            (r#""side":"buy","orderType":"market","postOnly":true"#, vec!["/postOnly"]),
            (r#""side":"sell","orderType":"market","maxCost":1"#, vec!["/maxCost"]),
            (r#""side":"buy","orderType":"limit","price":1,"timeInForce":"fok","postOnly":true"#, vec!["/postOnly"]),
            (r#""side":"buy","orderType":"limit","price":10.0001"#, vec!["/quantity"]),
            (r#""side":"buy","orderType":"limit","price":0,"maxCost":0"#, vec!["/price", "/maxCost"]),
        ];
        for (terms, expected) in cases {
            let expected = expected.into_iter().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(check(&format!("{{{base},{terms}}}")), Err(expected), "{terms}");
        }
        assert!(check(&format!(r#"{{{base},"side":"buy","orderType":"limit","price":10}}"#)).is_ok());
        let market = check(&format!(r#"{{{base},"side":"buy","orderType":"market","maxCost":"5.5"}}"#)).unwrap();
        assert_eq!(market.time_in_force, Some(TimeInForce::Ioc));
    }
}
