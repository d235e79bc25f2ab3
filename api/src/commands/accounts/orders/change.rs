//! What amending and canceling share: the order must exist, and its book decides.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use orderledger_domain::event::Event;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_projections::settlement::queries;
use orderledger_projections::settlement::rows::OrderRow as Settled;
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::commands::decided::{self, settled};
use crate::commands::submit::{Judged, submit, unexpected};
use crate::http::answer::Written;
use crate::http::problem::Problem;
use crate::ledger::Ledger;
use crate::rows::OrderRow;

/// A request about an order.
pub(super) struct Change {
    pub(super) user: UserId,
    pub(super) order_id: OrderId,
    pub(super) event_id: Uuid,
    pub(super) event: Event,
    pub(super) deadline: Option<Instant>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    event_id: Uuid,
    order_id: OrderId,
    /// As settlement shows it; absent where that is of before the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// `parked` if the account's records wait in settlement; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_rejected: Option<Rejection>,
    position: Position,
}

/// The order once the request is decided.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    event_id: Uuid,
    #[serde(flatten)]
    order: OrderRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_rejected: Option<Rejection>,
}

impl Change {
    /// Asks for the change and answers it.
    pub(super) async fn ask(self, ledger: &Arc<Ledger>) -> Result<Response, Problem> {
        let (known, is_parked) = self.known_order(ledger).await?;
        let judged = submit(ledger, self.user.as_str(), self.event_id, &self.event).await?;
        let rejected = match &judged.event {
            Event::CancelAccepted(_) | Event::AmendAccepted(_) => None,
            Event::CancelRejected(event) => Some(event.reason),
            Event::AmendRejected(event) => Some(event.reason),
            _ => return Err(unexpected(&judged)),
        };
        if known.is_none() && rejected == Some(Rejection::UnknownOrder) {
            return Err(Problem::unknown_order());
        }
        if let Some(deadline) = self.deadline
            && let Some(known) = &known
            && let Some(answer) = self.answer_when_decided(ledger, &judged, known, rejected, deadline).await?
        {
            return Ok(answer);
        }
        let position = judged.position;
        self.written(&judged, position.to_string(), false).answer(&Answer {
            event_id: self.event_id,
            order_id: self.order_id.clone(),
            status: known.map(|known| known.order.status),
            state: is_parked.then_some("parked"),
            request_rejected: rejected,
            position,
        })
    }

    /// The order as settlement shows it, and whether the account's records wait there. 404 only once settlement has passed
    /// all that the log held when asked, so an order whose placing was answered is always found; where records wait, intake
    /// must say whether there is one.
    async fn known_order(&self, ledger: &Arc<Ledger>) -> Result<(Option<Settled>, bool), Problem> {
        let known = self.order(ledger).await?;
        if known.0.is_some() {
            return Ok(known);
        }
        let orders = ledger.orders_of(self.user.as_str());
        let end = ledger.end_of(orders).await?;
        if !ledger.settlement.wait(ledger.answer_within, |standing| standing.has_applied_below(orders, end)).await {
            let detail = "whether this order exists is not known yet; nothing was written";
            return Err(Problem::unavailable("view-behind", detail));
        }
        match self.order(ledger).await? {
            (None, false) => Err(Problem::unknown_order()),
            known => Ok(known),
        }
    }

    async fn order(&self, ledger: &Arc<Ledger>) -> Result<(Option<Settled>, bool), Problem> {
        let (user, order_id) = (self.user.clone(), self.order_id.clone());
        settled(ledger, move |view| Ok((queries::order(view, &user, &order_id)?, decided::is_parked(view, &user)?)))
            .await
    }

    async fn answer_when_decided(
        &self,
        ledger: &Arc<Ledger>,
        judged: &Judged,
        known: &Settled,
        rejected: Option<Rejection>,
        deadline: Instant,
    ) -> Result<Option<Response>, Problem> {
        let booked = rejected.is_none().then_some(known.order.symbol);
        let Some(decided) = decided::wait(ledger, &self.user, judged.asked, judged.position, booked, deadline).await?
        else {
            return Ok(None);
        };
        let (user, order_id, asked) = (self.user.clone(), self.order_id.clone(), judged.asked.offset);
        let read = settled(ledger, move |view| {
            let Some(row) = queries::order(view, &user, &order_id)? else { return Ok(None) };
            let outcome = queries::request_outcome(view, &row, asked)?;
            Ok(Some((row, outcome)))
        });
        let Some((row, outcome)) = read.await? else { return Ok(None) };
        if outcome.as_ref().is_none_or(|outcome| !outcome.is_final) && rejected.is_none() {
            return Ok(None);
        }
        let request_rejected = rejected.or_else(|| outcome.and_then(|outcome| outcome.rejected()));
        let newest = decided.newest(row.position(), !row.order.cum_quantity.is_zero());
        let order = OrderRow::from(&row).at(&newest);
        let changed = Changed { event_id: self.event_id, order, request_rejected };
        self.written(judged, newest, true).answer(&changed).map(Some)
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
