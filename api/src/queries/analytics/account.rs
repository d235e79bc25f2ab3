//! `GET /v1/analytics/accounts/{userId}`: what an account did, day by day, in all and in each symbol.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::{Symbol, UserId};
use orderledger_projections::analytics::queries::{self, AccountPlace};

use super::{TOPICS, days_of};
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::{answer, cursor};
use crate::ledger::Ledger;
use crate::queries::accounts::transactions::in_settlement;
use crate::queries::{ANALYTICS, read, unknown_account};
use crate::rows::AnalyticsAccountRow;

pub(crate) async fn list(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let whose = params.path("userId", UserId::new);
    let min = params.min_position(TOPICS)?;
    let wanted = params.page::<AccountPlace>();
    let symbol = params.query("symbol", Symbol::new);
    let days = days_of(&mut params, wanted.direction);
    let whose = params.finish(whose)?;
    let home = ledger.orders_of(whose.as_str());
    let (after, limit, user) = (wanted.after, wanted.limit, whose.clone());
    let look = move |view: &_| queries::account(view, days, &user, symbol, after, limit);
    let ((page, next), as_of) = read(&ledger, ANALYTICS, min, vec![home], look).await?;
    if page.is_empty() && !in_settlement(&ledger, &whose)?.0 {
        return Err(unknown_account());
    }
    let rows: Vec<AnalyticsAccountRow> =
        page.iter().map(|((day, symbol), row)| AnalyticsAccountRow::new(*day, *symbol, row)).collect();
    answer::list(&headers, &rows, next.map(|place| cursor::write(&wanted.scope, &place)), &as_of)
}
