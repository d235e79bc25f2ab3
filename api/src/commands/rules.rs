//! `PUT /v1/rules`: the version of the rules that the stages decide by from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, RulesVersion};
use serde::Serialize;

use super::submit::{CONTROL, submit, unexpected};
use crate::http::answer::Written;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{body, values};
use crate::ledger::Ledger;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    rules_version: u32,
    position: String,
}

pub(crate) async fn put(
    State(ledger): State<Arc<Ledger>>,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let mut fields = Fields::of(&text)?;
    let rules = fields.required("rulesVersion", values::rules);
    let rules_version = fields.finish(rules)?.version();
    let event = Event::RulesVersionRequested(RulesVersion { rules_version });
    let judged = submit(&ledger, CONTROL, key.event_id(CONTROL), &event).await?;
    let Event::RulesVersionSet(set) = judged.event else { return Err(unexpected(&judged)) };
    let position = judged.position.to_string();
    let written = Written {
        status: StatusCode::ACCEPTED,
        position: position.clone(),
        location: Some("/v1/rules".to_owned()),
        replayed: judged.replayed,
        waited: false,
    };
    written.answer(&Answer { rules_version: set.rules_version, position })
}
