//! Repeats, refusals, the tape, control and operators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, OrderId, Symbol, UserId};
use crate::money::{BasisPoints, Price, Quantity};
use crate::position::Position;
use crate::reason::RefuseReason;
use crate::terms::Side;

/// DuplicateIgnored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateIgnored {
    /// The repeat.
    pub position: Position,
    /// The first record of that id.
    pub original: Position,
}

/// RecordRefused, in `orders`; the notice in `dead-letters` carries the optional fields too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordRefused {
    /// The refused record.
    pub position: Position,
    /// Why.
    pub reason: RefuseReason,
    /// What exactly is wrong, in words.
    pub detail: String,
    /// Where the id first stood, if the record reuses one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Position>,
    /// The digest of the record's key and value (hex), in the notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The beginning of the value, at most 4 KiB, in the notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// The record's headers, in the notice, from rules version 2 on; at most 4 KiB of names and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<NoticeHeader>>,
    /// How many headers are left out or cut, if any are, in the notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_cut: Option<u32>,
}

impl RecordRefused {
    /// The refusal as it stands in `orders`, without what the notice adds.
    pub const fn plain(
        position: Position,
        reason: RefuseReason,
        detail: String,
        original: Option<Position>,
    ) -> RecordRefused {
        let (digest, excerpt, headers, headers_cut) = (None, None, None, None);
        RecordRefused { position, reason, detail, original, digest, excerpt, headers, headers_cut }
    }
}

/// A header of a refused record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeHeader {
    /// Its name.
    pub name: String,
    /// Its value, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its value's bytes (hex), if they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_hex: Option<String>,
}

/// TradeExecuted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TradeExecuted {
    /// The trade: `{symbol}-{bookSeq}`.
    pub trade_id: String,
    /// What was traded.
    pub symbol: Symbol,
    /// The book's own gap-free number of the trade, from 1.
    pub book_seq: u64,
    /// The resting order's price.
    pub price: Price,
    /// How many shares.
    pub quantity: Quantity,
    /// The side that came.
    pub taker_side: Side,
    /// The buyer.
    pub buy_user_id: UserId,
    /// The buyer's order.
    pub buy_order_id: OrderId,
    /// The seller.
    pub sell_user_id: UserId,
    /// The seller's order.
    pub sell_order_id: OrderId,
}

/// FeeScheduleRequested and FeeScheduleSet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeeSchedule {
    /// The rate of resting orders.
    pub maker_bps: BasisPoints,
    /// The rate of incoming orders.
    pub taker_bps: BasisPoints,
}

/// RulesVersionRequested and RulesVersionSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RulesVersion {
    /// The version of the stages' decisions and output bytes.
    pub rules_version: u32,
}

/// StreamKeyRequested, StreamKeySet and StreamKeyTaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamKeyChange {
    /// The key's id; the key itself stands in no record.
    pub key_id: KeyId,
}

/// SessionCloseRequested and SessionClosed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionClose {
    /// The symbols whose session closes; null: all.
    pub symbols: Option<Vec<Symbol>>,
}

/// EntityParked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntityParked {
    /// Which projection.
    pub projection: String,
    /// Which entity, such as `user:u1`.
    pub entity: String,
    /// The record that can't be applied.
    pub position: Position,
    /// Why.
    pub error: String,
}

/// ParkedRetried and ParkedDiscarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParkedDecision {
    /// Which projection.
    pub projection: String,
    /// The parked record.
    pub position: Position,
    /// Why it was decided so.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// Where the newest decision about that record stood that was known when this one was made; null: there was none. Does
    /// another one stand before this one by then, this one changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Position>,
}

/// DifferenceAccepted and OperatorActed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorDecision {
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub actor: String,
}
