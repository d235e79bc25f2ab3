//! `GET /v1/fees`: the rates that orders are accepted with now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::FeeSchedule;
use orderledger_projections::settlement::queries::fee_schedule;
use orderledger_projections::settlement::rows::FeeScheduleRow;

use super::control;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let rates = |row: Option<FeeScheduleRow>| row.map_or_else(FeeSchedule::default, |row| row.schedule);
    control::get(&ledger, params, &headers, fee_schedule, rates).await
}
