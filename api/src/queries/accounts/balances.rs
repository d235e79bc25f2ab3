//! `GET /v1/accounts/{userId}/balances`: what the account has, now, at a past position or moment, or at the end of a trading day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::ids::UserId;
use orderledger_projections::settlement::queries::{self, balances_then};

use super::{Moment, TOPICS, days, of_account_so, past_of};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::queries::then::{Asked, Then};
use crate::rows::BalanceRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let mut min = params.min_position(TOPICS)?;
    let asked = Asked::of(&mut params);
    let day = params.query("asOfDay", days::day);
    if day.is_some() && asked.is_past() {
        params.refuse("asOfDay", "excludes asOfPosition and asOfTime");
    }
    let user = params.finish(user)?;
    let home = ledger.orders_of(user.as_str());
    let then = match day {
        Some(day) => Then::After(days::end_of(&ledger, home, day, "asOfDay", &min).await?),
        None => asked.at(&ledger, home, &mut min).await?,
    };
    let (rows, as_of) = of_account_so(then.reading(), &ledger, user, min, move |view, user| {
        let balances = match past_of(then) {
            Moment::Now => queries::balances(view, user)?.map(|balances| balances.account.iter().collect()),
            Moment::Past(past) => Some(balances_then(view, user, past)?),
            Moment::Before => None,
        };
        Ok(balances.unwrap_or_default())
    })
    .await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let rows: Vec<BalanceRow> = rows.into_iter().map(|(asset, balance)| BalanceRow::new(asset, balance)).collect();
    answer::whole_list(&headers, &rows, &as_of)
}
