//! `GET /v1/accounts/{userId}/orders` and `…/orders/{orderId}`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_projections::settlement::queries::{self, OrdersFilter, Page, StatusFilter};

use super::{TOPICS, of_account};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::OrderRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<u64>();
    let filter = OrdersFilter {
        status: params.query("status", status).unwrap_or_default(),
        symbol: params.query("symbol", Symbol::new),
        client_order_id: params.query("clientOrderId", ClientOrderId::new),
    };
    let user = params.finish(user)?;
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let (listing, as_of) =
        of_account(&ledger, user, min, move |view, user| queries::orders(view, user, &filter, &page)).await?;
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
    let min = params.min_position(TOPICS)?;
    let (user, order_id) = params.finish(user.zip(order_id))?;
    let (row, as_of) = of_account(&ledger, user, min, move |view, user| queries::order(view, user, &order_id)).await?;
    let unknown = || Problem::unknown_order().at_moment(&as_of);
    answer::object(&headers, &OrderRow::from(&row.ok_or_else(unknown)?), &as_of)
}
