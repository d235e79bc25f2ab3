//! `PUT /v1/fees`: the fee rates of orders accepted from then on.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::event::{Event, FeeSchedule};

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
    let maker_bps = fields.required("makerBps", values::basis_points);
    let taker_bps = fields.required("takerBps", values::basis_points);
    let (maker_bps, taker_bps) = fields.finish(maker_bps.zip(taker_bps))?;
    let event = Event::FeeScheduleRequested(FeeSchedule { maker_bps, taker_bps });
    let set = |event: &Event| if let Event::FeeScheduleSet(set) = event { Some(*set) } else { None };
    control::ask(&ledger, &key, &event, set, Some("/v1/fees")).await
}
