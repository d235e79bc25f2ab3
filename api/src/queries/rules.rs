//! `GET /v1/rules`: the version of the rules that the stages decide by now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::RulesVersion;
use orderledger_domain::rules::Rules;
use orderledger_projections::settlement::queries::rules_version;
use orderledger_projections::settlement::rows::RulesRow;

use super::control;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let version = |row: Option<RulesRow>| {
        let rules_version = row.map_or(Rules::default().version(), |row| row.version);
        RulesVersion { rules_version }
    };
    control::get(&ledger, params, &headers, rules_version, version).await
}
