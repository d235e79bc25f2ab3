//! `PUT /v1/rules`: the version of the rules that the stages decide by from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, RulesVersion};

use super::control;
use crate::access::caller::Caller;
use crate::http::fields::Fields;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::values;
use crate::ledger::Ledger;

pub(crate) async fn put(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let (text, key) = control::read(caller, params, &headers, request).await?;
    let mut fields = Fields::of(&text)?;
    let rules = fields.required("rulesVersion", values::rules);
    let rules_version = fields.finish(rules)?.version();
    let event = Event::RulesVersionRequested(RulesVersion { rules_version });
    let set = |event: &Event| if let Event::RulesVersionSet(set) = event { Some(*set) } else { None };
    control::ask(&ledger, &key, &event, set, Some("/v1/rules")).await
}
