//! `GET /v1/analytics/symbols`: what happened in each symbol, day by day, or in one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Day;
use orderledger_projections::analytics::queries;

use super::{TOPICS, days_of, everything};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::{ANALYTICS, read};
use crate::rows::AnalyticsSymbolRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<(Day, Symbol)>();
    let symbol = params.query("symbol", Symbol::new);
    let days = days_of(&mut params, wanted.direction);
    params.finish(Some(()))?;
    let rests_on = match symbol {
        None => everything(&ledger),
        // Anybody may have an order of it; its trades stand in one partition.
        Some(symbol) => {
            let tape: TopicPartition = ledger.partition_of_symbol(Topic::Trades, symbol.as_str());
            ledger.all_of(Topic::Orders).chain([tape]).collect()
        }
    };
    let (after, limit) = (wanted.after, wanted.limit);
    let look = move |view: &_| queries::symbols(view, days, symbol, after, limit);
    let ((page, next), as_of) = read(&ledger, ANALYTICS, min, rests_on, look).await?;
    let row = |((day, symbol), row): &((Day, Symbol), _)| AnalyticsSymbolRow::new(*day, *symbol, row);
    let rows: Vec<AnalyticsSymbolRow> = page.iter().map(row).collect();
    answer::list(&headers, &rows, next.map(|place| cursor::write(&wanted.scope, &place)), &as_of)
}
