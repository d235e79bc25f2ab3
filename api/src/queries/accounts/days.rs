//! Trading days as moments of an account: they begin and end where sessions closed in its partition.

use std::sync::Arc;

use orderledger_domain::position::TopicPartition;
use orderledger_domain::timestamp::Day;
use orderledger_projections::settlement::queries::{day_begin, day_end};

use crate::http::params::MinPosition;
use crate::http::problem::{FieldError, Problem};
use crate::ledger::Ledger;
use crate::queries::{SETTLEMENT, read};

/// A trading day of the query.
pub(super) fn day(text: &str) -> Result<Day, &'static str> {
    Day::parse(text).ok_or("must be a day, as in 2025-01-15")
}

/// The offset of the close that ended the day; 422 of that parameter if the view knows of none.
pub(super) async fn end_of(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    day: Day,
    parameter: &str,
    min: &MinPosition,
) -> Result<u64, Problem> {
    let look = move |view: &_| day_end(view, home.partition, day);
    let (end, _) = read(ledger, SETTLEMENT, min.clone(), vec![home], look).await?;
    end.ok_or_else(|| {
        let detail = format!("no trading day ended on {day} so far: /v1/sessions lists those that did");
        Problem::invalid(vec![FieldError::parameter(parameter, detail)])
    })
}

/// The first offset of the day.
pub(super) async fn begin_of(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    day: Day,
    min: &MinPosition,
) -> Result<u64, Problem> {
    let look = move |view: &_| day_begin(view, home.partition, day);
    let (before, _) = read(ledger, SETTLEMENT, min.clone(), vec![home], look).await?;
    Ok(before.map_or(0, |offset| offset.saturating_add(1)))
}
