//! `GET /v1/orders/{orderId}` and its events: one order, wherever it lives.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::ids::OrderId;
use orderledger_domain::position::Topic;
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::queries::orders_by_id;
use orderledger_projections::settlement::rows::OrderRow as Settled;

use super::accounts::transactions::Stretch;
use super::{SETTLEMENT, read};
use crate::http::answer;
use crate::http::as_of::AsOf;
use crate::http::params::{MinPosition, Params};
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::OrderRow;

const TOPICS: &[Topic] = &[Topic::Orders];

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order_id = params.path("orderId", OrderId::new);
    let min = params.min_position(TOPICS)?;
    let order_id = params.finish(order_id)?;
    let (row, as_of) = find(&ledger, order_id, min).await?;
    answer::object(&headers, &OrderRow::from(&row), &as_of)
}

pub(crate) async fn transactions(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order_id = params.path("orderId", OrderId::new);
    let min = params.min_position(TOPICS)?;
    let stretch = Stretch::of(&mut params);
    let order_id = params.finish(order_id)?;
    let (row, _) = find(&ledger, order_id, min.clone()).await?;
    let (user, order_id) = (row.order.user_id, row.order.order_id);
    let (page, as_of) = stretch.read(&ledger, user, Some(order_id), min).await?;
    stretch.answer(&headers, page, &as_of)
}

/// The order of that id, if there is exactly one.
async fn find(ledger: &Arc<Ledger>, order_id: OrderId, min: MinPosition) -> Result<(Settled, AsOf), Problem> {
    let everywhere = ledger.all_of(Topic::Orders).collect();
    let (found, as_of) = read(ledger, SETTLEMENT, min, everywhere, move |view| {
        let rows = orders_by_id(view, &order_id)?;
        let owner = rows.last().map(|row| Entity::User(row.order.user_id.clone()));
        let parked = owner.map(|owner| parked(view, &owner)).transpose()?.flatten();
        Ok((rows, parked))
    })
    .await?;
    let (mut rows, parked) = found;
    if rows.len() > 1 {
        let detail = "several accounts have an order of this id; ask for /v1/accounts/{userId}/orders/{orderId}";
        return Err(Problem::new(StatusCode::CONFLICT, "order-id-ambiguous", detail));
    }
    let row = rows.pop().ok_or_else(|| Problem::not_found("unknown-order", "no account has an order of this id"))?;
    Ok((row, as_of.of_entity(parked.as_ref())))
}
