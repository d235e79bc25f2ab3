//! An order.

use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::order::Status;
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
    status: Status,
    quantity: Quantity,
    cum_quantity: Quantity,
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
    position: String,
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
            position: row.position().to_string(),
        }
    }
}

impl OrderRow {
    /// The same order with more positions: those of what came of it elsewhere.
    #[must_use]
    pub(crate) fn at(mut self, positions: &str) -> OrderRow {
        positions.clone_into(&mut self.position);
        self
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::event::{OrderAccepted, Terms};
    use orderledger_domain::money::BasisPoints;
    use orderledger_domain::order::Order;
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn an_order_has_these_bytes_and_each_field_once() {
        let terms = Terms {
            order_id: OrderId::new("o1").unwrap(),
            user_id: UserId::new("u1").unwrap(),
            symbol: Symbol::new("AAPL").unwrap(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            quantity: Quantity::new(100).unwrap(),
            price: Some(Price::from_units(1_502_500).unwrap()),
            max_cost: None,
            client_order_id: None,
        };
        let (maker_bps, taker_bps) = (BasisPoints::default(), BasisPoints::default());
        let accepted = OrderAccepted { terms, reserved: Amount::from_units(150_250_000), maker_bps, taker_bps };
        let at = Timestamp::parse("2025-01-15T10:30:00Z").unwrap();
        let row = rows::OrderRow {
            order: Order::accept(&accepted, 1841).0,
            max_cost: None,
            partition: 3,
            reason: None,
            created_at: at,
            updated_at: at,
            judged: 1842,
            changed: 1842,
            undecided_cancels: Default::default(),
            undecided_amends: Default::default(),
            events: Vec::new(),
        };
        let text = |row: &OrderRow| serde_json::to_string(row).unwrap();
        let order = OrderRow::from(&row);
        insta::assert_snapshot!(text(&order), @r#"{"orderId":"o1","userId":"u1","symbol":"AAPL","side":"buy","orderType":"limit","timeInForce":"gtc","postOnly":false,"status":"new","quantity":100,"cumQuantity":0,"leavesQuantity":100,"price":"150.25","maxCost":null,"avgPrice":null,"fees":"0","reason":null,"clientOrderId":null,"createdAt":"2025-01-15T10:30:00Z","updatedAt":"2025-01-15T10:30:00Z","position":"orders-3@1842"}"#);
        let newest = text(&order.at("orders-3@1842,books-9@0"));
        assert_eq!(newest.matches("\"position\":").count(), 1);
        assert!(newest.contains(r#""position":"orders-3@1842,books-9@0""#));
        assert_eq!(row.position(), Topic::Orders.at(3).offset(1842));
    }
}
