//! An order on its way, alone or among many: what intake is asked, and what is answered.

use std::sync::Arc;

use axum::http::StatusCode;
use orderledger_domain::event::{Event, OrderCreated};
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_projections::settlement::queries;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::commands::decided::{self, settled};
use crate::commands::submit::{Asked, Judged, unexpected};
use crate::http::answer::Written;
use crate::http::headers::IdempotencyKey;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::OrderRow;

/// An order on its way.
pub(crate) struct Placing {
    user: UserId,
    order_id: OrderId,
    symbol: Symbol,
    pub(crate) event_id: Uuid,
    pub(crate) event: Event,
}

/// What is answered.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Judged(New),
    Decided(Box<Placed>),
}

/// The order once intake has judged it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct New {
    event_id: Uuid,
    order_id: OrderId,
    status: Status,
    reason: Option<Rejection>,
    position: Position,
}

/// The order once it is decided.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Placed {
    event_id: Uuid,
    #[serde(flatten)]
    order: OrderRow,
}

impl Placing {
    /// An order that is placed under that key.
    pub(crate) fn new(key: &IdempotencyKey, asked: OrderCreated) -> Placing {
        let (user, order_id, symbol) = (asked.user_id.clone(), asked.order_id.clone(), asked.symbol);
        let event_id = key.event_id(user.as_str());
        Placing { user, order_id, symbol, event_id, event: Event::OrderCreated(asked) }
    }

    /// Whose order it is.
    pub(crate) const fn user(&self) -> &UserId {
        &self.user
    }

    /// What intake is asked.
    pub(in crate::commands) fn asked(&self) -> Asked<'_> {
        Asked { account: self.user.as_str(), event_id: self.event_id, event: &self.event, actor: None }
    }

    /// The answer, once intake has judged; with a deadline the decided order, if it is decided by then.
    pub(in crate::commands) async fn answer(
        &self,
        ledger: &Arc<Ledger>,
        judged: &Judged,
        deadline: Option<Instant>,
    ) -> Result<(Written, Answer), Problem> {
        let (status, reason) = match &judged.event {
            Event::OrderAccepted(_) => (Status::New, None),
            Event::OrderRejected(rejected) => (Status::Rejected, Some(rejected.reason)),
            _ => return Err(unexpected(judged)),
        };
        let (event_id, position) = (self.event_id, judged.position);
        if let Some(deadline) = deadline {
            let booked = (status == Status::New).then_some(self.symbol);
            let decided = decided::wait(ledger, &self.user, judged.asked, position, booked, deadline).await?;
            let (of, id) = (self.user.clone(), self.order_id.clone());
            let row = if decided.is_some() {
                settled(ledger, move |view| queries::order(view, &of, &id)).await?
            } else {
                None
            };
            if let Some((decided, row)) = decided.zip(row) {
                let newest = decided.newest(row.position(), !row.order.cum_quantity.is_zero());
                let order = OrderRow::from(&row).at(&newest);
                let placed = Box::new(Placed { event_id, order });
                return Ok((self.written(judged, newest, true), Answer::Decided(placed)));
            }
        }
        let new = New { event_id, order_id: self.order_id.clone(), status, reason, position };
        Ok((self.written(judged, position.to_string(), false), Answer::Judged(new)))
    }

    fn written(&self, judged: &Judged, position: String, waited: bool) -> Written {
        Written {
            status: if waited { StatusCode::OK } else { StatusCode::ACCEPTED },
            position,
            location: Some(format!("/v1/accounts/{}/orders/{}", self.user, self.order_id)),
            replayed: judged.replayed,
            waited,
        }
    }
}
