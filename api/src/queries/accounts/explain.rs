//! `GET /v1/accounts/{userId}/balances/{asset}/explain`: the postings that make a balance, and the orders that hold of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use orderledger_domain::account::Balance;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_projections::settlement::queries::{self, Explained, balances_then};
use orderledger_store::Error;
use orderledger_store::views::ViewReader;

use super::{Moment, TOPICS, of_account, past_of};
use crate::http::answer;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::queries::then::Asked;
use crate::rows::ExplainedRow;

pub(crate) async fn get(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let asset = params.path("asset", Asset::new);
    let mut min = params.min_position(TOPICS)?;
    let asked = Asked::of(&mut params);
    let moment = asked.as_query();
    let (user, asset) = params.finish(user.zip(asset))?;
    let home = ledger.orders_of(user.as_str());
    let then = asked.at(&ledger, home, &mut min).await?;
    let asking = user.clone();
    let ((explained, balance), as_of) =
        of_account(&ledger, user, min, move |view, user| read(view, user, asset, past_of(then))).await?;
    let as_of = then.said(&ledger, home, as_of).await?;
    let row = ExplainedRow::new(&asking, asset, balance, &explained, home, &moment);
    answer::object(&headers, &row, &as_of)
}

/// What the balance is made of and, by the other way, what it is: both of one look at the view.
fn read(view: &ViewReader, user: &UserId, asset: Asset, moment: Moment) -> Result<(Explained, Balance), Error> {
    if moment == Moment::Before {
        return Ok((Explained::default(), Balance::default()));
    }
    let balance = match moment.past() {
        None => queries::balances(view, user)?.map(|balances| balances.account.balance(asset)),
        Some(past) => balances_then(view, user, past)?.get(&asset).copied(),
    };
    Ok((queries::explain(view, user, asset, moment.past())?, balance.unwrap_or_default()))
}
