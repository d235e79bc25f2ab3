//! `PUT /v1/fees`: the fee rates of orders accepted from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Event, FeeSchedule};
use orderledger_domain::money::BasisPoints;
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
    maker_bps: BasisPoints,
    taker_bps: BasisPoints,
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
    let maker_bps = fields.required("makerBps", values::basis_points);
    let taker_bps = fields.required("takerBps", values::basis_points);
    let schedule = fields.finish(maker_bps.zip(taker_bps))?;
    let schedule = FeeSchedule { maker_bps: schedule.0, taker_bps: schedule.1 };
    let judged = submit(&ledger, CONTROL, key.event_id(CONTROL), &Event::FeeScheduleRequested(schedule)).await?;
    let Event::FeeScheduleSet(set) = judged.event else { return Err(unexpected(&judged)) };
    let position = judged.position.to_string();
    let written = Written {
        status: StatusCode::ACCEPTED,
        position: position.clone(),
        location: Some("/v1/fees".to_owned()),
        replayed: judged.replayed,
        waited: false,
    };
    written.answer(&Answer { maker_bps: set.maker_bps, taker_bps: set.taker_bps, position })
}
