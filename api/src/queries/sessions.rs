//! `GET /v1/sessions`: where sessions closed, and which trading days that ended.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::position::Topic;
use orderledger_projections::settlement::queries::{Page, sessions};

use super::{SETTLEMENT, read, wait_for_cursor};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::rows::SessionRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(&[Topic::Orders])?;
    let wanted = params.page::<u64>();
    params.finish(Some(()))?;
    if let Some(asked) = wanted.after {
        wait_for_cursor(SETTLEMENT(&ledger), Topic::Orders.at(0).offset(asked), min.within).await?;
    }
    let page = Page { after: wanted.after, limit: wanted.limit, direction: wanted.direction };
    let rests_on = ledger.all_of(Topic::Orders).collect();
    let (listing, as_of) = read(&ledger, SETTLEMENT, min, rests_on, move |view| sessions(view, &page)).await?;
    let partitions = ledger.partitions;
    let rows: Vec<SessionRow> = listing.rows.into_iter().map(|row| SessionRow::new(row, partitions)).collect();
    let next = listing.next.map(|place| cursor::write(&wanted.scope, &place));
    answer::list(&headers, &rows, next, &as_of)
}
