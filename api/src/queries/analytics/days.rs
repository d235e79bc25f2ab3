//! `GET /v1/analytics/days`: what happened in all, day by day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::queries;

use super::{TOPICS, days_of, everything};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{ANALYTICS, read};
use crate::rows::AnalyticsDayRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<Day>();
    let days = days_of(&mut params, wanted.direction);
    params.finish(Some(()))?;
    let (after, limit) = (wanted.after, wanted.limit);
    let look = move |view: &_| queries::days(view, days, after, limit);
    let ((page, next), as_of) = read(&ledger, ANALYTICS, min, everything(&ledger), look).await?;
    let rows: Vec<AnalyticsDayRow> = page.iter().map(|(day, row)| AnalyticsDayRow::new(*day, row)).collect();
    answer::list(&headers, &rows, next.map(|place| cursor::write(&wanted.scope, &place)), &as_of)
}
