//! `GET /v1/accounts/{userId}/orders` and `…/orders/{orderId}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_projections::settlement::queries::{
    self, Listing, OrdersFilter, Page, StatusFilter, order_then, orders_then,
};
use orderledger_store::views::ViewReader;

use super::{Moment, TOPICS, of_account, of_account_so, past_of, wait_for_place};
use crate::http::export::{Export, Rest};
use crate::http::form::Form;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::SETTLEMENT;
use crate::queries::then::Asked;
use crate::queries::told::Trail;
use crate::rows::OrderRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let wanted = params.page::<u64>();
    let filter = OrdersFilter {
        status: params.query("status", status).unwrap_or_default(),
        symbol: params.query("symbol", Symbol::new),
        client_order_id: params.query("clientOrderId", ClientOrderId::new),
    };
    let asked = Asked::of(&mut params);
    asked.comes_as(form, &mut params);
    let user = params.finish(user)?;
    wait_for_place(&ledger, &user, wanted.after, &min).await?;
    if form != Form::Json {
        let ((), as_of) = of_account(&ledger, user.clone(), min, |_, _| Ok(())).await?;
        let below = as_of.end_of(ledger.orders_of(user.as_str()));
        let export = Export { ledger, view: SETTLEMENT, form, name: "orders", as_of };
        let page = move |view: &ViewReader, Rest { after, left, direction }: Rest<u64>| {
            let listing = queries::orders(view, &user, &filter, &Page { after, limit: left, direction })?;
            let rows = listing.rows.into_iter().map(|row| (row.order.created_offset < below, OrderRow::from(&row)));
            Ok((rows.collect(), listing.next))
        };
        return export.pages(&wanted, page).await;
    }
    let home = ledger.orders_of(user.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let trail = Trail::new(&ledger, home);
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let (listing, as_of) = of_account(&ledger, user, min, move |view, user| match past_of(then) {
        Moment::Now => queries::orders(view, user, &filter, &page),
        Moment::Past(past) => trail.with(|tell| orders_then(view, user, &filter, past, &page, tell)),
        Moment::Before => Ok(Listing { rows: Vec::new(), next: None }),
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let rows: Vec<OrderRow> = listing.rows.iter().map(OrderRow::from).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}

fn status(text: &str) -> Result<StatusFilter, &'static str> {
    match text {
        "open" => Ok(StatusFilter::Open),
        "closed" => Ok(StatusFilter::Closed),
        name => {
            Status::ALL.into_iter().find(|status| status.as_str() == name).map(StatusFilter::Is).ok_or(
                "must be open, closed, pending_new, new, partially_filled, filled, canceled, rejected or expired",
            )
        }
    }
}

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let order_id = params.path("orderId", OrderId::new);
    let mut min = params.min_position(TOPICS)?;
    let asked = Asked::of(&mut params);
    let (user, order_id) = params.finish(user.zip(order_id))?;
    let home = ledger.orders_of(user.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let trail = Trail::new(&ledger, home);
    let (row, as_of) = of_account_so(then.reading(), &ledger, user, min, move |view, user| {
        let row = queries::order(view, user, &order_id)?;
        match (past_of(then), row) {
            (Moment::Now, row) => Ok(row),
            (Moment::Past(past), Some(row)) => trail.with(|tell| order_then(view, &row, past, tell)),
            (Moment::Past(_) | Moment::Before, _) => Ok(None),
        }
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let unknown = || Problem::unknown_order().at_moment(&as_of);
    answer::object(&headers, &OrderRow::from(&row.ok_or_else(unknown)?), &as_of)
}
