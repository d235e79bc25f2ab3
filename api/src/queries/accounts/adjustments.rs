//! `GET /v1/accounts/{userId}/adjustments`: operators' corrections, booked or not.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::UserId;
use orderledger_projections::settlement::queries::{self, Page};

use super::{TOPICS, of_account, wait_for_place};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::AdjustmentRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<u64>();
    let user = params.finish(user)?;
    wait_for_place(&ledger, &user, wanted.after, &min).await?;
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let (listing, as_of) =
        of_account(&ledger, user, min, move |view, user| queries::adjustments(view, user, &page)).await?;
    let rows: Vec<AdjustmentRow> = listing.rows.into_iter().map(AdjustmentRow::from).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
