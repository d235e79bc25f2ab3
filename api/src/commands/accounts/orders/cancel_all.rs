//! `DELETE /v1/accounts/{userId}/orders`: a user wants all orders canceled that are open now, perhaps of one symbol alone.
//!
//! "Now" must stay the same when the call is repeated, so it stands in the log: the call first asks intake, under its own
//! key, to cancel an order that nobody has. Where that request stands is the moment, and a repeat finds it again. No order
//! placed behind it is ever touched; one that was asked about under this key is asked about again, under the same event id.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use orderledger_domain::envelope;
use orderledger_domain::event::{Event, EventType, OrderCancelRequested};
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::reason::Rejection;
use orderledger_projections::audit::TypeSet;
use orderledger_projections::audit::queries::{HistoryQuery, history};
use orderledger_projections::settlement::queries::{self, OrdersFilter, Page, StatusFilter};
use orderledger_projections::settlement::rows::OrderRow;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};
use serde::Serialize;
use uuid::Uuid;

use crate::commands::decided::{is_parked, settled};
use crate::commands::submit::{Asked, Judged, submit, submit_all, unexpected};
use crate::http::answer::Written;
use crate::http::body;
use crate::http::headers::IdempotencyKey;
use crate::http::params::Params;
use crate::http::problem::Problem;
use crate::ledger::{Ledger, blocking};

/// So many cancels go to the log at once.
const AT_ONCE: usize = 1000;
/// So many records of a history are looked at in one piece.
const HISTORY_PAGE: usize = 1000;

/// What shall be canceled.
struct CancelAll {
    user: UserId,
    symbol: Option<Symbol>,
    key: IdempotencyKey,
}

/// What intake said about one order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Canceling {
    order_id: OrderId,
    event_id: Uuid,
    /// As settlement showed it when it was asked about.
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_rejected: Option<Rejection>,
    position: Position,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    data: Vec<Canceling>,
    /// No order placed behind this record is among them.
    asked_at: Position,
    position: Position,
}

pub(crate) async fn delete(
    State(ledger): State<Arc<Ledger>>,
    mut params: Params,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let user = params.path("userId", UserId::new);
    let symbol = params.query("symbol", Symbol::new);
    let user = params.finish(user)?;
    body::none(&headers, request).await?;
    let key = IdempotencyKey::of(&headers)?;
    CancelAll { user, symbol, key }.ask(&ledger).await
}

impl CancelAll {
    async fn ask(&self, ledger: &Arc<Ledger>) -> Result<Response, Problem> {
        self.check_account(ledger).await?;
        let moment = self.moment(ledger).await?;
        let orders = self.orders(ledger, &moment).await?;
        let mut data = Vec::with_capacity(orders.len());
        for orders in orders.chunks(AT_ONCE) {
            self.cancel(ledger, orders, &mut data).await?;
        }
        let position = data.iter().map(|one| one.position).fold(moment.position, Position::max);
        let written = Written {
            status: StatusCode::ACCEPTED,
            position: position.to_string(),
            location: None,
            replayed: moment.replayed,
            waited: false,
        };
        written.answer(&Answer { data, asked_at: moment.asked, position })
    }

    /// Nothing is written about an account that no event names, nor where settlement can't tell what is open.
    async fn check_account(&self, ledger: &Arc<Ledger>) -> Result<(), Problem> {
        let orders = ledger.orders_of(self.user.as_str());
        let look = || {
            let user = self.user.clone();
            settled(ledger, move |view| Ok((queries::exists(view, &user)?, is_parked(view, &user)?)))
        };
        let (mut exists, mut parked) = look().await?;
        if !exists && !parked {
            let end = ledger.end_of(orders).await?;
            if !ledger.settlement.wait(ledger.answer_within, |standing| standing.has_applied_below(orders, end)).await {
                let detail = "whether this account exists is not known yet; nothing was written";
                return Err(Problem::unavailable("view-behind", detail));
            }
            (exists, parked) = look().await?;
        }
        if parked {
            let detail = "records of this account wait (see /v1/parked), so which of its orders are open is not known; \
                          nothing was written: cancel them one by one";
            return Err(Problem::unavailable("view-behind", detail));
        }
        if exists { Ok(()) } else { Err(Problem::not_found("unknown-account", "no event names this account")) }
    }

    /// Asks intake about an order that nobody has: where that stands is the moment of the first call under this key.
    async fn moment(&self, ledger: &Arc<Ledger>) -> Result<Judged, Problem> {
        let account = self.user.as_str();
        let symbol = self.symbol.map_or_else(|| "*".to_owned(), |symbol| symbol.to_string());
        let order_id = self.key.part(format!("all {symbol}")).order_id(account).ok_or_else(Problem::internal)?;
        let nobodys = Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id: self.user.clone() });
        let judged = submit(ledger, account, self.key.event_id(account), &nobodys).await?;
        match &judged.event {
            Event::CancelRejected(rejected) if rejected.reason == Rejection::UnknownOrder => Ok(judged),
            _ => Err(unexpected(&judged)),
        }
    }

    /// The orders open now that were placed before the moment and, in a repeat, those that were asked about; oldest first.
    async fn orders(&self, ledger: &Arc<Ledger>, moment: &Judged) -> Result<Vec<OrderRow>, Problem> {
        let home = moment.asked.topic_partition();
        let end = moment.position.offset.saturating_add(1);
        let reached = ledger.settlement.wait(ledger.answer_within, |standing| standing.has_applied_below(home, end));
        if !reached.await {
            return Err(Problem::outcome_unknown());
        }
        let before = if moment.replayed { self.asked_before(ledger, moment.asked).await? } else { BTreeSet::new() };
        let (user, symbol, asked) = (self.user.clone(), self.symbol, moment.asked.offset);
        settled(ledger, move |view| open_and_asked(view, &user, symbol, asked, before)).await
    }

    /// The orders that an earlier call under this key asked about, as the audit trail has it.
    async fn asked_before(&self, ledger: &Arc<Ledger>, moment: Position) -> Result<BTreeSet<OrderId>, Problem> {
        let home = moment.topic_partition();
        let end = ledger.end_of(home).await?;
        if !ledger.audit.wait(ledger.answer_within, |standing| standing.has_applied_below(home, end)).await {
            return Err(Problem::outcome_unknown());
        }
        let (reading, user, key) = (Arc::clone(ledger), self.user.clone(), self.key.clone());
        let look = move || {
            let view = reading.audit.reader()?;
            let (types, direction) = (TypeSet::from_iter([EventType::OrderCancelRequested]), Direction::Ascending);
            let mut query = HistoryQuery {
                types,
                direction,
                after: Some(moment.offset),
                ..HistoryQuery::of_user(&user, reading.partitions, HISTORY_PAGE)
            };
            let mut asked = BTreeSet::new();
            loop {
                let page = history(&view, &query)?;
                for record in page.records {
                    let Ok(envelope) = envelope::read(record.value.as_deref()) else { continue };
                    let Ok(Event::OrderCancelRequested(cancel)) = envelope.event else { continue };
                    if envelope.event_id == cancel_id(&key, &user, &cancel.order_id) {
                        asked.insert(cancel.order_id);
                    }
                }
                let Some(next) = page.next else { return Ok::<_, Error>(asked) };
                query.after = Some(next);
            }
        };
        Ok(blocking(look).await?)
    }

    /// Asks intake to cancel them, with one append.
    async fn cancel(
        &self,
        ledger: &Arc<Ledger>,
        orders: &[OrderRow],
        data: &mut Vec<Canceling>,
    ) -> Result<(), Problem> {
        let request = |row: &OrderRow| {
            let (order_id, user_id) = (row.order.order_id.clone(), self.user.clone());
            let event_id = cancel_id(&self.key, &self.user, &order_id);
            (event_id, Event::OrderCancelRequested(OrderCancelRequested { order_id, user_id }))
        };
        let events: Vec<(Uuid, Event)> = orders.iter().map(request).collect();
        let account = self.user.as_str();
        let asked: Vec<Asked<'_>> =
            events.iter().map(|(event_id, event)| Asked { account, event_id: *event_id, event, actor: None }).collect();
        let judged = submit_all(ledger, &asked).await?;
        for ((row, (event_id, _)), judged) in orders.iter().zip(&events).zip(judged) {
            let judged = judged?;
            let request_rejected = match &judged.event {
                Event::CancelAccepted(_) => None,
                Event::CancelRejected(rejected) => Some(rejected.reason),
                _ => return Err(unexpected(&judged)),
            };
            data.push(Canceling {
                order_id: row.order.order_id.clone(),
                event_id: *event_id,
                status: row.order.status,
                request_rejected,
                position: judged.position,
            });
        }
        Ok(())
    }
}

/// The event id of a request to cancel one of all: the same in every repeat.
fn cancel_id(key: &IdempotencyKey, user: &UserId, order_id: &OrderId) -> Uuid {
    key.part(format!("cancel {order_id}")).event_id(user.as_str())
}

fn open_and_asked(
    view: &ViewReader,
    user: &UserId,
    symbol: Option<Symbol>,
    moment: u64,
    mut asked: BTreeSet<OrderId>,
) -> Result<Vec<OrderRow>, Error> {
    let filter = OrdersFilter { status: StatusFilter::Open, symbol, ..OrdersFilter::default() };
    let mut page = Page { after: Some(moment), limit: usize::MAX, direction: Direction::Descending };
    let mut rows = Vec::new();
    while page.after.is_some() {
        let listing = queries::orders(view, user, &filter, &page)?;
        rows.extend(listing.rows);
        page.after = listing.next;
    }
    for row in &rows {
        asked.remove(&row.order.order_id);
    }
    for order_id in asked {
        rows.extend(queries::order(view, user, &order_id)?);
    }
    rows.sort_by_key(|row| row.order.created_offset);
    Ok(rows)
}
