//! `POST /v1/accounts/{userId}/adjustments`: an operator corrects an account by an entry against what was booked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::event::{Adjustment, Event, EventType};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::reason::Rejection;
use serde::Serialize;
use uuid::Uuid;

use super::user_of;
use crate::access::caller::Caller;
use crate::commands::submit::{rules_in, submit_as, unexpected};
use crate::http::answer::Written;
use crate::http::body;
use crate::http::fields::Fields;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::http::values;
use crate::ledger::Ledger;
use crate::rows::Decimal;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: Uuid,
    status: &'static str,
    asset: Asset,
    amount: Decimal<Amount>,
    reason: String,
    corrects: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<Rejection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    position: String,
}

pub(crate) async fn post(
    State(ledger): State<Arc<Ledger>>,
    caller: Caller,
    params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let user = user_of(params)?;
    let text = body::json(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    let home = ledger.orders_of(user.as_str());
    let adjustment = read(&text, &user, home)?;
    if !rules_in(&ledger, home.partition).know(EventType::AdjustmentRequested) {
        return Err(Problem::rules_too_old("accounts are adjusted from rules version 4 on"));
    }
    let event_id = key.event_id(user.as_str());
    let event = Event::AdjustmentRequested(adjustment.clone());
    let judged = submit_as(&ledger, user.as_str(), event_id, &event, caller.actor()).await?;
    let rejection = match &judged.event {
        Event::AccountAdjusted(_) => None,
        Event::AdjustmentRejected(rejected) => Some(rejected.rejection),
        _ => return Err(unexpected(&judged)),
    };
    let at = judged.position;
    let written = Written {
        status: if rejection.is_none() { StatusCode::CREATED } else { StatusCode::OK },
        position: at.to_string(),
        location: Some(format!("/v1/audit/events/{}/{}/{}", at.topic, at.partition, at.offset)),
        replayed: judged.replayed,
        waited: false,
    };
    let Adjustment { asset, direction, amount, reason, corrects, .. } = adjustment;
    let why = |_| {
        format!(
            "{user} has less than {amount} {asset} available: nothing was booked; cancel orders that hold of it, or take less"
        )
    };
    written.answer(&Answer {
        event_id,
        status: if rejection.is_none() { "booked" } else { "rejected" },
        asset,
        amount: Decimal(direction.signed(amount)),
        reason,
        corrects,
        rejection,
        detail: rejection.map(why),
        position: at.to_string(),
    })
}

fn read(text: &[u8], user: &UserId, home: TopicPartition) -> Result<Adjustment, Problem> {
    let mut fields = Fields::of(text)?;
    let asset = fields.required("asset", values::asset);
    let signed = fields.required("amount", values::signed_amount);
    let reason = fields.required("reason", |raw| values::said(raw, 500));
    let corrects = fields.optional("corrects", values::position);
    if asset.is_some_and(|asset| !asset.is_cash()) && signed.is_some_and(|(_, amount)| !amount.is_whole()) {
        fields.refuse("amount", "must be whole: shares are");
    }
    if corrects.is_some_and(|earlier| earlier.topic_partition() != home) {
        fields.refuse("corrects", &format!("must be a position in {home}, where the account's records stand"));
    }
    let made = asset.zip(signed).zip(reason).map(|((asset, (direction, amount)), reason)| {
        let user_id = user.clone();
        Adjustment { user_id, asset, direction, amount, reason, corrects }
    });
    fields.finish(made)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn a_correction_is_checked_field_by_field() {
        let check = |text: &str| read(text.as_bytes(), &UserId::new("u").unwrap(), Topic::Orders.at(3));
        let made =
            check(r#"{"asset":"USD","amount":"-12.50","reason":"booked twice","corrects":"orders-3@17"}"#).unwrap();
        assert_eq!((made.direction.as_str(), made.amount.to_string()), ("debit", "12.5".to_owned()));
        assert_eq!((made.reason.as_str(), made.corrects), ("booked twice", Some(Topic::Orders.at(3).offset(17))));
        assert_eq!(check(r#"{"asset":"AAPL","amount":100,"reason":"x"}"#).unwrap().direction.as_str(), "credit");
        let long = format!(r#"{{"asset":"USD","amount":1,"reason":"{}"}}"#, "x".repeat(501));
        for bad in [
            r#"{"asset":"USD","amount":"1"}"#,
            r#"{"asset":"USD","amount":"1","reason":" "}"#,
            r#"{"asset":"USD","amount":"0","reason":"x"}"#,
            r#"{"asset":"USD","amount":"-0","reason":"x"}"#,
            r#"{"asset":"USD","amount":"--1","reason":"x"}"#,
            r#"{"asset":"USD","amount":"+1","reason":"x"}"#,
            r#"{"asset":"USD","amount":-1e3,"reason":"x"}"#,
            r#"{"asset":"AAPL","amount":-1.5,"reason":"x"}"#,
            r#"{"asset":"USD","amount":1,"reason":"x","corrects":"orders-4@17"}"#,
            r#"{"asset":"USD","amount":1,"reason":"x","corrects":"books-3@17"}"#,
            r#"{"asset":"USD","amount":1,"reason":"x","corrects":17}"#,
            r#"{"asset":"USD","amount":1,"reason":"x","note":""}"#,
            &long,
        ] {
            assert_eq!(check(bad).unwrap_err().status.as_u16(), 422, "{bad}");
        }
    }
}
