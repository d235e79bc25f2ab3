//! What happens to an order after its acceptance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, Symbol, UserId};
use crate::money::{Amount, Price, Quantity};
use crate::position::Position;
use crate::reason::{ExpireReason, Rejection};
use crate::terms::{Liquidity, Side};

/// OrderCancelRequested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelRequested {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
}

/// CancelAccepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelAccepted {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// Where its OrderCreated stands in the user's partition: the order's number.
    pub created: Position,
}

/// OrderCanceled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCanceled {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// How many shares were still open.
    pub canceled_quantity: Quantity,
}

/// CancelRejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelRejected {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Why not.
    pub reason: Rejection,
}

/// OrderAmendRequested: at least one of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("anyOf" = [{"required": ["quantity"]}, {"required": ["price"]}]))]
pub struct OrderAmendRequested {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// The new total, filled shares included; absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub quantity: Option<Quantity>,
    /// The new price; absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// AmendAccepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmendAccepted {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// The new total.
    pub quantity: Quantity,
    /// The new price.
    pub price: Price,
    /// What is reserved for it beside the order's own reserve.
    pub extra_reserved: Amount,
    /// Where its OrderCreated stands in the user's partition: the order's number.
    pub created: Position,
}

/// OrderAmended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderAmended {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// The new total.
    pub quantity: Quantity,
    /// The new price.
    pub price: Price,
    /// The extra that joins the order's own reserve.
    pub extra_reserved: Amount,
    /// How many shares are open now.
    pub leaves_quantity: Quantity,
}

/// AmendRejected, by intake (nothing was reserved) or by matching.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AmendRejected {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Why not.
    pub reason: Rejection,
    /// The extra that is released.
    pub extra_reserved: Amount,
}

/// OrderFilled: one leg of one trade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderFilled {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// What was traded.
    pub symbol: Symbol,
    /// The order's side.
    pub side: Side,
    /// The trade: `{symbol}-{bookSeq}` (FIX tag 1003).
    pub trade_id: String,
    /// The resting order's price (FIX tag 31).
    pub price: Price,
    /// How many shares (FIX tag 32).
    pub quantity: Quantity,
    /// This leg's fee.
    pub fee: Amount,
    /// Maker or taker (FIX tag 851).
    pub liquidity: Liquidity,
    /// Filled in all so far (FIX tag 14).
    pub cum_quantity: Quantity,
    /// Still open (FIX tag 151).
    pub leaves_quantity: Quantity,
}

/// OrderExpired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderExpired {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// Its symbol.
    pub symbol: Symbol,
    /// By which rule.
    pub reason: ExpireReason,
    /// How many shares were still open.
    pub expired_quantity: Quantity,
}
