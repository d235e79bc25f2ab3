//! An order.

use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::order::Status;
use orderledger_domain::position::Position;
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::settlement::rows;
use serde::Serialize;

use super::Decimal;

/// An order as settlement has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderRow {
    order_id: OrderId,
    user_id: UserId,
    symbol: Symbol,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    post_only: bool,
    pub(crate) status: Status,
    quantity: Quantity,
    pub(crate) cum_quantity: Quantity,
    leaves_quantity: Quantity,
    price: Option<Decimal<Price>>,
    max_cost: Option<Decimal<Amount>>,
    avg_price: Option<Decimal<Amount>>,
    fees: Decimal<Amount>,
    reason: Option<&'static str>,
    client_order_id: Option<ClientOrderId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// The newest event that changed it.
    position: Position,
}

impl From<&rows::OrderRow> for OrderRow {
    fn from(row: &rows::OrderRow) -> OrderRow {
        let order = &row.order;
        let is_open = order.status.is_open();
        OrderRow {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            symbol: order.symbol,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            post_only: order.post_only,
            status: order.status,
            quantity: order.quantity,
            cum_quantity: order.cum_quantity,
            leaves_quantity: if is_open { order.leaves_quantity } else { Quantity::ZERO },
            price: order.price.map(Decimal),
            max_cost: row.max_cost.map(Decimal),
            avg_price: row.average_price().map(Decimal),
            fees: Decimal(order.charged),
            reason: row.reason.map(|reason| reason.as_str()),
            client_order_id: order.client_order_id.clone(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            position: row.position(),
        }
    }
}
