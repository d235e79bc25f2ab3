//! `POST /v1/accounts/{userId}/orders`: a user's intent, or with `dryRun` what would become of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::OrderCreated;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use tokio::time::Instant;

use super::dry_run;
use super::placing::Placing;
use crate::commands::submit::submit;
use crate::http::fields::Fields;
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::Ledger;

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    let user = params.path("userId", values::account);
    let dry = params.switch("dryRun");
    let user = params.finish(user)?;
    let text = body::json(&headers, request).await?;
    if dry {
        return dry_run::answer(&ledger, user, &text).await;
    }
    let key = IdempotencyKey::of(&headers)?;
    let order_id = key.order_id(user.as_str()).ok_or_else(Problem::internal)?;
    let asked = order(Fields::of(&text)?, Some((&user, &order_id)))?;
    let placing = Placing::new(&key, asked);
    let judged = submit(&ledger, placing.user().as_str(), placing.event_id, &placing.event).await?;
    let (written, answer) = placing.answer(&ledger, &judged, deadline).await?;
    written.answer(&answer)
}

/// The order that a body asks for, every default filled in: the same wish gives the same event. Whose it is must be
/// known, unless what names it is already refused.
pub(crate) fn order(mut fields: Fields<'_>, whose: Option<(&UserId, &OrderId)>) -> Result<OrderCreated, Problem> {
    let symbol = fields.required("symbol", values::traded);
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
        let (user_id, order_id) = whose?;
        Some(OrderCreated {
            order_id: order_id.clone(),
            user_id: user_id.clone(),
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
        order(Fields::of(text.as_bytes()).unwrap(), Some((&user, &order_id)))
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
