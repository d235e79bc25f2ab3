//! What an order asks, and the answers that repeat it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ClientOrderId, OrderId, Symbol, UserId};
use crate::money::{Amount, BasisPoints, Price, Quantity};
use crate::reason::Rejection;
use crate::terms::{OrderType, Side, TimeInForce};

/// What a user wants of the book; OrderAccepted and OrderRejected repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The order's id, unique for its user (FIX tag 37).
    pub order_id: OrderId,
    /// Whose order (FIX tag 1).
    pub user_id: UserId,
    /// What is traded (FIX tag 55).
    pub symbol: Symbol,
    /// Buy or sell (FIX tag 54).
    pub side: Side,
    /// Limit or market (FIX tag 40).
    pub order_type: OrderType,
    /// How long it stands (FIX tag 59).
    pub time_in_force: TimeInForce,
    /// Whether it may only rest (FIX tag 18, value 6).
    pub post_only: bool,
    /// How many shares in all (FIX tag 38).
    pub quantity: Quantity,
    /// The worst price (FIX tag 44); market orders have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The most that a market buy may cost, fees included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Amount>,
    /// The client's own name of it (FIX tag 11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
}

/// OrderCreated, version 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend(
    "if" = {"properties": {"orderType": {"const": "limit"}}},
    "then" = {"required": ["price"]}
))]
pub struct OrderCreated {
    /// The order's id, unique for its user.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// What is traded.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub order_type: OrderType,
    /// How long it stands; absent: gtc, a market order ioc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_in_force: Option<TimeInForce>,
    /// Whether it may only rest.
    #[serde(default)]
    pub post_only: bool,
    /// How many shares in all.
    #[schemars(range(min = 1))]
    pub quantity: Quantity,
    /// The worst price; required for a limit order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The most that a market buy may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Amount>,
    /// The client's own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_order_id: Option<ClientOrderId>,
}

/// OrderCreated, version 1.0: no side, no type; a good-till-canceled limit buy.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderCreatedV1 {
    order_id: OrderId,
    user_id: UserId,
    symbol: Symbol,
    #[schemars(range(min = 1))]
    quantity: Quantity,
    price: Price,
}

impl From<OrderCreatedV1> for OrderCreated {
    fn from(old: OrderCreatedV1) -> OrderCreated {
        OrderCreated {
            order_id: old.order_id,
            user_id: old.user_id,
            symbol: old.symbol,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: Some(TimeInForce::Gtc),
            post_only: false,
            quantity: old.quantity,
            price: Some(old.price),
            max_cost: None,
            client_order_id: None,
        }
    }
}

impl OrderCreated {
    /// The terms with the defaults filled in.
    pub fn terms(&self) -> Terms {
        let default = if self.order_type == OrderType::Market { TimeInForce::Ioc } else { TimeInForce::Gtc };
        Terms {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            symbol: self.symbol,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force.unwrap_or(default),
            post_only: self.post_only,
            quantity: self.quantity,
            price: self.price,
            max_cost: self.max_cost,
            client_order_id: self.client_order_id.clone(),
        }
    }
}

/// OrderAccepted: the terms and what was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "AnsweredTerms")]
#[schemars(!try_from)]
pub struct OrderAccepted {
    /// What was asked.
    #[serde(flatten)]
    pub terms: Terms,
    /// What is reserved: cash for a buy (the budget of a market buy), shares for a sell.
    pub reserved: Amount,
    /// The rate while resting.
    pub maker_bps: BasisPoints,
    /// The rate while taking.
    pub taker_bps: BasisPoints,
}

/// OrderRejected: the terms and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", try_from = "AnsweredTerms")]
#[schemars(!try_from)]
pub struct OrderRejected {
    /// What was asked.
    #[serde(flatten)]
    pub terms: Terms,
    /// Why not.
    pub reason: Rejection,
}

/// The flat form of an answer to OrderCreated: exact numbers can't be read through a flattened struct.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnsweredTerms {
    order_id: OrderId,
    user_id: UserId,
    symbol: Symbol,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    post_only: bool,
    quantity: Quantity,
    #[serde(default)]
    price: Option<Price>,
    #[serde(default)]
    max_cost: Option<Amount>,
    #[serde(default)]
    client_order_id: Option<ClientOrderId>,
    #[serde(default)]
    reserved: Option<Amount>,
    #[serde(default)]
    maker_bps: Option<BasisPoints>,
    #[serde(default)]
    taker_bps: Option<BasisPoints>,
    #[serde(default)]
    reason: Option<Rejection>,
}

impl AnsweredTerms {
    fn terms(self) -> Terms {
        Terms {
            order_id: self.order_id,
            user_id: self.user_id,
            symbol: self.symbol,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            quantity: self.quantity,
            price: self.price,
            max_cost: self.max_cost,
            client_order_id: self.client_order_id,
        }
    }
}

impl TryFrom<AnsweredTerms> for OrderAccepted {
    type Error = &'static str;
    fn try_from(flat: AnsweredTerms) -> Result<Self, Self::Error> {
        let reserved = flat.reserved.ok_or("missing field `reserved`")?;
        let maker_bps = flat.maker_bps.ok_or("missing field `makerBps`")?;
        let taker_bps = flat.taker_bps.ok_or("missing field `takerBps`")?;
        Ok(OrderAccepted { terms: flat.terms(), reserved, maker_bps, taker_bps })
    }
}

impl TryFrom<AnsweredTerms> for OrderRejected {
    type Error = &'static str;
    fn try_from(flat: AnsweredTerms) -> Result<Self, Self::Error> {
        let reason = flat.reason.ok_or("missing field `reason`")?;
        Ok(OrderRejected { terms: flat.terms(), reason })
    }
}
