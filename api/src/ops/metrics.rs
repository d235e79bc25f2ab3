//! `GET /metrics`: what is counted and measured, in Prometheus' text format.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};
use crate::metrics::Moment;

pub(crate) async fn get(State(ledger): State<Arc<Ledger>>, params: Params) -> Result<Response, Problem> {
    params.finish(Some(()))?;
    let moment = blocking(move || Moment::of(&ledger)).await?;
    let text = moment.text().map_err(|error| {
        tracing::error!(%error, "the metrics can't be written");
        Problem::internal()
    })?;
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(Moment::MEDIA_TYPE));
    Ok(response)
}
