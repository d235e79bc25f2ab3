//! What someone asks on the market day, in few bytes: it becomes a record only when it is sent.

use orderledger_domain::event::{
    Deposit, Event, FeeSchedule, OrderAmendRequested, OrderCancelRequested, OrderCreated, SessionClose,
    WithdrawalRequested,
};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

/// The terms of an order of the day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) user: usize,
    pub(super) symbol: Symbol,
    pub(super) side: Side,
    pub(super) order_type: OrderType,
    pub(super) time_in_force: TimeInForce,
    pub(super) post_only: bool,
    pub(super) quantity: Quantity,
    pub(super) price: Option<Price>,
    pub(super) max_cost: Option<Amount>,
}

/// One request, by users' and orders' numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Assets come in.
    Deposit { user: usize, asset: Asset, amount: Amount },
    /// Assets go out.
    Withdraw { user: usize, asset: Asset, amount: Amount },
    /// The order of that number, all terms given.
    Place { order: usize },
    /// The same in version 1.0 of the envelope, which knows limit buys alone.
    PlaceAsVersion1 { order: usize },
    /// The order's user wants it canceled.
    Cancel { order: usize },
    /// The order's user wants another total or price.
    Amend { order: usize, quantity: Option<Quantity>, price: Option<Price> },
    /// A cancel of an order that nobody placed.
    CancelUnknown { user: usize },
    /// The order's request once more, as a producer repeats it after a timeout.
    Repeat { order: usize },
    /// The order's eventId with other terms.
    ReuseEventId { order: usize },
    /// The order's orderId with other terms.
    ReuseOrderId { order: usize },
    /// No JSON.
    Garbage { user: usize },
    /// New fee rates.
    Fees(FeeSchedule),
    /// The session of all symbols closes.
    Close,
}

/// The names behind the numbers.
pub(super) struct Names<'a> {
    pub(super) users: &'a [UserId],
    pub(super) orders: &'a [Draft],
}

impl Names<'_> {
    /// The user who asks; none for an operator.
    pub(super) fn user(&self, ask: &Ask) -> Option<&UserId> {
        let of_order = |order: usize| self.orders.get(order).map(|draft| draft.user);
        let user = match *ask {
            Ask::Deposit { user, .. } | Ask::Withdraw { user, .. } => Some(user),
            Ask::CancelUnknown { user } | Ask::Garbage { user } => Some(user),
            Ask::Place { order }
            | Ask::PlaceAsVersion1 { order }
            | Ask::Cancel { order }
            | Ask::Amend { order, .. }
            | Ask::Repeat { order }
            | Ask::ReuseEventId { order }
            | Ask::ReuseOrderId { order } => of_order(order),
            Ask::Fees(_) | Ask::Close => None,
        };
        self.users.get(user?)
    }

    /// The event that asks for it; none for what is no event.
    pub(super) fn event(&self, ask: &Ask) -> Option<Event> {
        Some(match *ask {
            Ask::Fees(schedule) => Event::FeeScheduleRequested(schedule),
            Ask::Close => Event::SessionCloseRequested(SessionClose { symbols: None }),
            Ask::Garbage { .. } => return None,
            Ask::Deposit { asset, amount, .. } => {
                Event::DepositMade(Deposit { user_id: self.user(ask)?.clone(), asset, amount })
            }
            Ask::Withdraw { asset, amount, .. } => Event::WithdrawalRequested(WithdrawalRequested {
                user_id: self.user(ask)?.clone(),
                asset,
                amount,
                withdrawal_id: None,
            }),
            Ask::Place { order } | Ask::PlaceAsVersion1 { order } | Ask::Repeat { order } => self.created(order)?,
            Ask::ReuseEventId { order } | Ask::ReuseOrderId { order } => match self.created(order)? {
                Event::OrderCreated(created) => {
                    let quantity = created.quantity.plus(Quantity::new(1).ok()?);
                    Event::OrderCreated(OrderCreated { quantity, ..created })
                }
                other => other,
            },
            Ask::Cancel { order } => Event::OrderCancelRequested(OrderCancelRequested {
                order_id: order_id(order)?,
                user_id: self.user(ask)?.clone(),
            }),
            Ask::CancelUnknown { .. } => Event::OrderCancelRequested(OrderCancelRequested {
                order_id: OrderId::new("never-placed").ok()?,
                user_id: self.user(ask)?.clone(),
            }),
            Ask::Amend { order, quantity, price } => Event::OrderAmendRequested(OrderAmendRequested {
                order_id: order_id(order)?,
                user_id: self.user(ask)?.clone(),
                quantity,
                price,
            }),
        })
    }

    fn created(&self, order: usize) -> Option<Event> {
        let draft = self.orders.get(order)?;
        Some(Event::OrderCreated(OrderCreated {
            order_id: order_id(order)?,
            user_id: self.users.get(draft.user)?.clone(),
            symbol: draft.symbol,
            side: draft.side,
            order_type: draft.order_type,
            time_in_force: Some(draft.time_in_force),
            post_only: draft.post_only,
            quantity: draft.quantity,
            price: draft.price,
            max_cost: draft.max_cost,
            client_order_id: None,
        }))
    }
}

fn order_id(order: usize) -> Option<OrderId> {
    OrderId::new(&format!("day-{}", order.saturating_add(1))).ok()
}
