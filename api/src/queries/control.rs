//! What control events set, as settlement knows it of partition 0, where they are requested.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::views::ViewReader;
use serde::Serialize;

use super::{SETTLEMENT, read};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;

/// The row, if anything was ever set, as an answer.
pub(super) async fn get<R: Send + 'static, A: Serialize>(
    ledger: &Arc<Ledger>,
    mut params: Params,
    headers: &HeaderMap,
    row: fn(&ViewReader) -> Result<Option<R>, Error>,
    answer: impl FnOnce(Option<R>) -> A,
) -> Result<Response, Problem> {
    let min = params.min_position(&[Topic::Orders])?;
    params.finish(Some(()))?;
    let (row, as_of) = read(ledger, SETTLEMENT, min, vec![Topic::Orders.at(0)], row).await?;
    answer::object(headers, &answer(row), &as_of)
}
