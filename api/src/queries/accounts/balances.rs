//! `GET /v1/accounts/{userId}/balances`: what the account has, now or at a past position.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_projections::settlement::queries;

use super::{TOPICS, of_account};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::{FieldError, Problem};
use crate::ledger::Ledger;
use crate::rows::BalanceRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let then = params.query("asOfPosition", str::parse::<Position>);
    let user = params.finish(user)?;
    if let Some(then) = then {
        let home = ledger.orders_of(user.as_str());
        if then.topic_partition() != home {
            let detail = format!("must be a position in {home}, where this account's events stand");
            return Err(Problem::invalid(vec![FieldError::parameter("asOfPosition", detail)]));
        }
        // The past is known once the view has applied it.
        min.positions.push(then);
    }
    let (balances, as_of) = of_account(&ledger, user, min, move |view, user| match then {
        Some(then) => queries::balances_as_of(view, user, then.offset),
        None => queries::balances(view, user),
    })
    .await?;
    let account = balances.map(|balances| balances.account).unwrap_or_default();
    let rows: Vec<BalanceRow> = account.iter().map(|(asset, balance)| BalanceRow::new(asset, balance)).collect();
    answer::whole_list(&headers, &rows, &as_of)
}
