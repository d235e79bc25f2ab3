//! `PATCH /v1/accounts/{userId}/orders/{orderId}`: a user wants another total quantity or price.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, OrderAmendRequested};
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::money::Amount;
use tokio::time::Instant;

use super::change::Change;
use crate::http::fields::Fields;
use crate::http::headers::{IdempotencyKey, preferred_wait};
use crate::http::params::Params;
use crate::http::problem::{FieldError, Problem};
use crate::http::{body, values};
use crate::ledger::Ledger;

pub(crate) async fn patch(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let deadline = preferred_wait(&headers).map(|wait| Instant::now() + wait);
    let user = params.path("userId", UserId::new);
    let order_id = params.path("orderId", OrderId::new);
    let (user, order_id) = params.finish(user.zip(order_id))?;
    let text = body::json(&headers, request).await?;
    let event_id = IdempotencyKey::of(&headers)?.event_id(user.as_str());
    let asked = amend(&text, &user, &order_id)?;
    Change { user, order_id, event_id, event: Event::OrderAmendRequested(asked), deadline }.ask(&ledger).await
}

fn amend(text: &[u8], user: &UserId, order_id: &OrderId) -> Result<OrderAmendRequested, Problem> {
    let mut fields = Fields::of(text)?;
    let quantity = fields.optional("quantity", values::quantity);
    let price = fields.optional("price", values::price);
    if let Some((price, quantity)) = price.zip(quantity)
        && price.times(quantity) > Amount::MAX_NOTIONAL
    {
        fields.refuse("quantity", "times price must be at most 1000000000000");
    }
    let asked = OrderAmendRequested { order_id: order_id.clone(), user_id: user.clone(), quantity, price };
    let asked = fields.finish(Some(asked))?;
    if asked.quantity.is_none() && asked.price.is_none() {
        return Err(Problem::invalid(vec![FieldError::body("quantity, price or both must be given")]));
    }
    Ok(asked)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_amend_names_quantity_price_or_both() {
        let (user, order_id) = (UserId::new("u").unwrap(), OrderId::new("o").unwrap());
        let check = |text: &str| amend(text.as_bytes(), &user, &order_id).map_err(|problem| problem.status.as_u16());
        for good in [r#"{"quantity":50}"#, r#"{"price":"150.00"}"#, r#"{"quantity":"50","price":150}"#] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "{}",
            r#"{"quantity":0}"#,
            r#"{"price":null}"#,
            r#"{"side":"buy"}"#,
            r#"{"quantity":100000000000,"price":11}"#,
        ] {
            assert_eq!(check(bad).err(), Some(422), "{bad}");
        }
    }
}
