//! `GET /v1/accounts/{userId}/postings`: the lines of the account's journal.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_projections::settlement::queries::{self, Page};

use super::{TOPICS, of_account};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::PostingRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<(u64, u32)>();
    let asset = params.query("asset", Asset::new);
    let user = params.finish(user)?;
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let ((user, listing), as_of) = of_account(&ledger, user, min, move |view, user| {
        Ok((user.clone(), queries::postings(view, user, asset, &page)?))
    })
    .await?;
    let rows: Vec<PostingRow> = listing.rows.into_iter().map(|row| PostingRow::new(&user, row)).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
