//! `GET /v1/analytics/movers`: the symbols that stand out on a day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_projections::analytics::queries::{Rank, movers};

use super::{TOPICS, day, everything};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, now};
use crate::queries::{ANALYTICS, read};
use crate::rows::AnalyticsSymbolRow;

/// So many, unless asked otherwise.
const LIMIT: u64 = 10;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    let day = params.query("day", day).unwrap_or_else(|| now().day());
    let by = params.query("by", rank).unwrap_or(Rank::Change);
    let limit = params.number("limit", 1, 1000).unwrap_or(LIMIT);
    params.finish(Some(()))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let look = move |view: &_| movers(view, day, by, limit);
    let (found, as_of) = read(&ledger, ANALYTICS, min, everything(&ledger), look).await?;
    let rows: Vec<AnalyticsSymbolRow> =
        found.iter().map(|(symbol, row)| AnalyticsSymbolRow::new(day, *symbol, row)).collect();
    answer::whole_list(&headers, &rows, &as_of)
}

fn rank(text: &str) -> Result<Rank, &'static str> {
    let named = Rank::ALL.into_iter().find(|(name, _)| *name == text);
    named.map(|(_, rank)| rank).ok_or("must be change, gainers, losers, turnover, volume or trades")
}
