//! `GET /v1/rules`: the version of the rules that the stages decide by now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::RulesVersion;
use orderledger_domain::position::Topic;
use orderledger_domain::rules::Rules;
use orderledger_projections::settlement::queries::rules_version;

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
    let (row, as_of) = read(&ledger, SETTLEMENT, min, vec![Topic::Orders.at(0)], rules_version).await?;
    let rules_version = row.map_or(Rules::default().version(), |row| row.version);
    answer::object(&headers, &RulesVersion { rules_version }, &as_of)
}
