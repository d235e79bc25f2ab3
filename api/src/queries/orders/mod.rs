//! `GET /v1/orders/{orderId}` and its events: one order, wherever it lives.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::position::Topic;
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::queries::{Past, order, order_then, orders_by_id};
use orderledger_projections::settlement::rows::OrderRow as Settled;

use super::accounts::transactions::Stretch;
use super::then::{Asked, Then};
use super::told::Trail;
use super::{SETTLEMENT, read};
use crate::access::caller::Caller;
use crate::http::answer;
use crate::http::as_of::AsOf;
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params};
use crate::http::problem::{FieldError, Problem};
use crate::ledger::Ledger;
use crate::rows::OrderRow;

const TOPICS: &[Topic] = &[Topic::Orders];

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order_id = params.path("orderId", OrderId::new);
    let min = params.min_position(TOPICS)?;
    let asked = Asked::of(&mut params);
    let order_id = params.finish(order_id)?;
    let (row, as_of) = find(&ledger, &caller, order_id, min.clone()).await?;
    let (row, as_of) = if asked.is_past() { find_past(&ledger, &asked, row, min).await? } else { (row, as_of) };
    answer::object(&headers, &OrderRow::from(&row), &as_of)
}

pub(crate) async fn transactions(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order_id = params.path("orderId", OrderId::new);
    let min = params.min_position(TOPICS)?;
    let mut after = None;
    let stretch = Stretch::of(&mut params, |position| {
        after = Some(position);
        position.topic == Topic::Orders
    });
    let order_id = params.finish(order_id)?;
    let (row, _) = find(&ledger, &caller, order_id, min.clone()).await?;
    let (user, order_id) = (row.order.user_id, row.order.order_id);
    let own = ledger.orders_of(user.as_str());
    if after.is_some_and(|after| after.topic_partition() != own) {
        let elsewhere = FieldError::parameter("after", "stands where no record of this list does");
        return Err(Problem::invalid(vec![elsewhere]));
    }
    stretch.answer(&ledger, (form, &headers), (user, Some(order_id)), min).await
}

/// The order of that id, if there is exactly one among those that the caller may see. Of a caller with an account of its own
/// nothing but that account is looked at: nothing about others can be learned, not even by measuring.
async fn find(
    ledger: &Arc<Ledger>,
    caller: &Caller,
    order_id: OrderId,
    min: MinPosition,
) -> Result<(Settled, AsOf), Problem> {
    let own = caller.confined_to().map(Option::<&UserId>::cloned);
    let rests_on = match &own {
        Some(Some(user)) => vec![ledger.orders_of(user.as_str())],
        _ => ledger.all_of(Topic::Orders).collect(),
    };
    let (found, as_of) = read(ledger, SETTLEMENT, min, rests_on, move |view| {
        let rows = match own {
            None => orders_by_id(view, &order_id)?,
            Some(user) => user.map(|user| order(view, &user, &order_id)).transpose()?.flatten().into_iter().collect(),
        };
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

/// The order as it was; where its events stand is known by now.
async fn find_past(
    ledger: &Arc<Ledger>,
    asked: &Asked,
    row: Settled,
    mut min: MinPosition,
) -> Result<(Settled, AsOf), Problem> {
    let home = Topic::Orders.at(row.partition);
    let then = asked.at(ledger, home, &mut min).await?;
    let (trail, owner) = (Trail::new(ledger, home), Entity::User(row.order.user_id.clone()));
    let ((then_row, parked), as_of) = read(ledger, SETTLEMENT, min, vec![home], move |view| {
        // The first look may be older than the moment asked for: the row is read again, now that the view is there.
        let row = order(view, &row.order.user_id, &row.order.order_id)?.unwrap_or(row);
        let past = match then {
            Then::Now => return Ok((Some(row), parked(view, &owner)?)),
            Then::Before => return Ok((None, parked(view, &owner)?)),
            Then::After(offset) => Past::After(offset),
            Then::Happened(time) => Past::Happened(time),
        };
        Ok((trail.with(|tell| order_then(view, &row, past, tell))?, parked(view, &owner)?))
    })
    .await?;
    let as_of = then.said(ledger, home, as_of).await?.of_entity(parked.as_ref());
    let none = || Problem::not_found("unknown-order", "no account had an order of this id then").at_moment(&as_of);
    Ok((then_row.ok_or_else(none)?, as_of))
}
