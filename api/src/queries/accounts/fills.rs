//! `GET /v1/accounts/{userId}/fills`: one leg a trade.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_projections::settlement::queries::{self, Listing, Page};
use orderledger_store::views::ViewReader;

use super::{Moment, TOPICS, of_account, past_of, wait_for_place};
use crate::http::export::{Export, Rest};
use crate::http::form::Form;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::SETTLEMENT;
use crate::queries::then::Asked;
use crate::rows::FillRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let wanted = params.page::<u64>();
    let order_id = params.query("orderId", OrderId::new);
    let asked = Asked::of(&mut params);
    asked.comes_as(form, &mut params);
    let user = params.finish(user)?;
    wait_for_place(&ledger, &user, wanted.after, &min).await?;
    if form != Form::Json {
        let ((), as_of) = of_account(&ledger, user.clone(), min, |_, _| Ok(())).await?;
        let below = as_of.end_of(ledger.orders_of(user.as_str()));
        let export = Export { ledger, view: SETTLEMENT, form, name: "fills", as_of };
        let page = move |view: &ViewReader, Rest { after, left, direction }: Rest<u64>| {
            let listing = queries::fills(view, &user, order_id.as_ref(), &Page { after, limit: left, direction })?;
            let rows = listing.rows.into_iter().map(|row| (row.position.offset < below, FillRow::from(row)));
            Ok((rows.collect(), listing.next))
        };
        return export.pages(&wanted, page).await;
    }
    let home = ledger.orders_of(user.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let past = past_of(then).past();
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let (listing, as_of) = of_account(&ledger, user, min, move |view, user| {
        if past_of(then) == Moment::Before {
            return Ok(Listing { rows: Vec::new(), next: None });
        }
        queries::fills_then(view, user, order_id.as_ref(), past, &page)
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let rows: Vec<FillRow> = listing.rows.into_iter().map(FillRow::from).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
