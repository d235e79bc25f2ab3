//! `POST /v1/accounts/{userId}/orders?dryRun=true`: what intake would say of an order now. Nothing is written.
//!
//! The rule is intake's own; the account is as settlement shows it once it has passed all that the log held when asked.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use orderledger_domain::entity::Entity;
use orderledger_domain::event::{FeeSchedule, Terms};
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::{Amount, BasisPoints};
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::Side;
use orderledger_projections::intake::grant::{grant, required};
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::queries::{balances, fee_schedule_in};
use orderledger_store::Error;
use serde::Serialize;

use super::place::order;
use crate::http::answer;
use crate::http::as_of::{AsOf, ParkedState};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};
use crate::rows::Decimal;

/// What would become of an order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    accepted: bool,
    /// Why it would be rejected.
    reason: Option<Rejection>,
    /// What a buy or a sell reserves.
    asset: Asset,
    /// What must be there of it, the highest fee included; null for a market buy without `maxCost`: whatever there is.
    required: Option<Decimal<Amount>>,
    available: Decimal<Amount>,
    /// What would be moved from available to reserved.
    reserved: Decimal<Amount>,
    maker_bps: BasisPoints,
    taker_bps: BasisPoints,
    /// The account as it is after this record; null before the first of its partition.
    position: Option<Position>,
    #[serde(flatten)]
    parked: Option<ParkedState>,
    as_of: AsOf,
}

/// Judges the order that the body asks for.
pub(super) async fn answer(ledger: &Arc<Ledger>, user: UserId, text: &[u8]) -> Result<Response, Problem> {
    // No order has this id: none is placed.
    let order_id = OrderId::new("dry-run").map_err(|_| Problem::internal())?;
    let terms = order(Fields::of(text)?, Some((&user, &order_id)))?.terms();
    let home = ledger.orders_of(user.as_str());
    let end = ledger.end_of(home).await?;
    if !ledger.settlement.wait(ledger.answer_within, |standing| standing.has_applied_below(home, end)).await {
        return Err(Problem::unavailable("view-behind", "what this account has is not known yet; ask again"));
    }
    let reading = Arc::clone(ledger);
    let trial = blocking(move || judge(&reading, home, &user, &terms)).await?;
    Ok(answer::json(StatusCode::OK, answer::to_json(&trial)?))
}

fn judge(ledger: &Ledger, home: TopicPartition, user: &UserId, terms: &Terms) -> Result<Trial, Error> {
    let moment = ledger.settlement.moment()?;
    let account = balances(&moment.reader, user)?.map(|balances| balances.account).unwrap_or_default();
    let fees = fee_schedule_in(&moment.reader, home.partition)?.map_or_else(FeeSchedule::default, |row| row.schedule);
    let asset = if terms.side == Side::Buy { Asset::USD } else { terms.symbol.asset() };
    let granted = grant(terms, fees, |asset| account.balance(asset).available);
    let parked = parked(&moment.reader, &Entity::User(user.clone()))?;
    let next_offset = moment.partitions.get(&home).map_or(0, |progress| progress.next_offset);
    Ok(Trial {
        accepted: granted.is_ok(),
        reason: granted.as_ref().err().copied(),
        asset,
        required: required(terms, fees).map(Decimal),
        available: Decimal(account.balance(asset).available),
        reserved: Decimal(granted.map_or(Amount::ZERO, |accepted| accepted.reserved)),
        maker_bps: fees.maker_bps,
        taker_bps: fees.taker_bps,
        position: next_offset.checked_sub(1).map(|offset| home.offset(offset)),
        parked: parked.as_ref().map(ParkedState::from),
        as_of: AsOf::of(&*ledger.log, [home], &moment.partitions)?,
    })
}
