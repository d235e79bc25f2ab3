//! `GET /v1/accounts/{userId}/postings`: the lines of the account's journal.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::account::PostingReason;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_projections::settlement::queries::{self, Listing, Page, PostingsFilter};
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
use crate::rows::PostingRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    form: Form,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let wanted = params.page::<(u64, u32)>();
    let asset = params.query("asset", Asset::new);
    let reason = params.query("reason", reason);
    let asked = Asked::of(&mut params);
    asked.comes_as(form, &mut params);
    let user = params.finish(user)?;
    wait_for_place(&ledger, &user, wanted.after.map(|place| place.0), &min).await?;
    if form != Form::Json {
        let ((), as_of) = of_account(&ledger, user.clone(), min, |_, _| Ok(())).await?;
        let below = as_of.end_of(ledger.orders_of(user.as_str()));
        let export = Export { ledger, view: SETTLEMENT, form, name: "postings", as_of };
        let filter = PostingsFilter { asset, reason, past: None };
        let page = move |view: &ViewReader, Rest { after, left, direction }: Rest<(u64, u32)>| {
            let listing = queries::postings_where(view, &user, &filter, &Page { after, limit: left, direction })?;
            let rows = listing.rows.into_iter().map(|row| (row.position.offset < below, PostingRow::new(&user, row)));
            Ok((rows.collect(), listing.next))
        };
        return export.pages(&wanted, page).await;
    }
    let home = ledger.orders_of(user.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let filter = PostingsFilter { asset, reason, past: past_of(then).past() };
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let ((user, listing), as_of) = of_account(&ledger, user, min, move |view, user| {
        if past_of(then) == Moment::Before {
            return Ok((user.clone(), Listing { rows: Vec::new(), next: None }));
        }
        Ok((user.clone(), queries::postings_where(view, user, &filter, &page)?))
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let rows: Vec<PostingRow> = listing.rows.into_iter().map(|row| PostingRow::new(&user, row)).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}

fn reason(text: &str) -> Result<PostingReason, &'static str> {
    let found = PostingReason::ALL.into_iter().find(|reason| reason.as_str() == text);
    found.ok_or("must be deposit, withdrawal, reserve, amend_reserve, release, trade, fee or adjustment")
}
