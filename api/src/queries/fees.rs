//! `GET /v1/fees`: the rates that orders are accepted with now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::FeeSchedule;
use orderledger_domain::position::Topic;
use orderledger_projections::settlement::queries::fee_schedule;

use super::{SETTLEMENT, read};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(&[Topic::Orders])?;
    params.finish(Some(()))?;
    let (row, as_of) = read(&ledger, SETTLEMENT, min, vec![Topic::Orders.at(0)], fee_schedule).await?;
    let fees: FeeSchedule = row.map(|row| row.schedule).unwrap_or_default();
    answer::object(&headers, &fees, &as_of)
}
