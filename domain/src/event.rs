//! Every event of the ledger and what it says. Amounts and prices are JSON numbers with at most 4 decimals.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{Asset, ClientOrderId, OrderId, Symbol, UserId, WithdrawalId};
use crate::money::{Amount, BasisPoints, Price, Quantity};
use crate::position::Position;
use crate::reason::{ExpireReason, RefuseReason, Rejection};
use crate::terms::{Liquidity, OrderType, Side, TimeInForce};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($payload:ty), $origin:ident;)*) => {
        /// The type of an event, as `eventType` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType { $($(#[$doc])* $name,)* }

        impl EventType {
            /// Every event type.
            pub const ALL: &'static [EventType] = &[$(EventType::$name,)*];

            /// The name as it stands in records.
            pub const fn as_str(self) -> &'static str {
                match self { $(EventType::$name => stringify!($name),)* }
            }

            /// Who may write it.
            pub const fn origin(self) -> Origin {
                match self { $(EventType::$name => Origin::$origin,)* }
            }

            /// The type of that name.
            pub fn from_name(name: &str) -> Option<EventType> {
                match name { $(stringify!($name) => Some(EventType::$name),)* _ => None }
            }
        }

        /// An event: its type and its payload.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name($payload),)* }

        impl Event {
            /// The event's type.
            pub const fn event_type(&self) -> EventType {
                match self { $(Event::$name(_) => EventType::$name,)* }
            }

            /// Reads the payload of a type from its JSON text.
            pub(crate) fn from_payload(kind: EventType, payload: &str) -> Result<Event, serde_json::Error> {
                match kind { $(EventType::$name => serde_json::from_str(payload).map(Event::$name),)* }
            }

            /// Writes the payload as JSON.
            pub(crate) fn write_payload(&self, to: &mut Vec<u8>) -> Result<(), serde_json::Error> {
                match self { $(Event::$name(payload) => serde_json::to_writer(to, payload),)* }
            }
        }
    };
}

/// Who may write an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Any producer, to `orders`, keyed by the user.
    Outside,
    /// Operators, to `orders` partition 0, keyed `_control`.
    Control,
    /// The stages alone: a position in a stream proves it.
    Derived,
    /// Operators' decisions and notices of projections, to `dead-letters`.
    Operator,
}

events! {
    /// Assets came in: a fact from outside, perhaps told twice.
    DepositMade(Deposit), Outside;
    /// A deposit was booked, once.
    AccountCredited(AccountCredited), Derived;
    /// A user wants assets out.
    WithdrawalRequested(WithdrawalRequested), Outside;
    /// A withdrawal was granted and booked.
    AccountDebited(WithdrawalDecided), Derived;
    /// A withdrawal was not granted.
    WithdrawalRejected(WithdrawalRejected), Derived;
    /// A user's intent: status `pending_new`.
    OrderCreated(OrderCreated), Outside;
    /// Funds or shares are reserved; the order goes to the book with the terms granted.
    OrderAccepted(OrderAccepted), Derived;
    /// The order was not granted, by intake or by what only the book knows.
    OrderRejected(OrderRejected), Derived;
    /// A user wants an order canceled.
    OrderCancelRequested(OrderCancelRequested), Outside;
    /// The cancel goes to the book.
    CancelAccepted(CancelAccepted), Derived;
    /// The order was taken from the book.
    OrderCanceled(OrderCanceled), Derived;
    /// The cancel had no effect.
    CancelRejected(CancelRejected), Derived;
    /// A user wants another total quantity or price.
    OrderAmendRequested(OrderAmendRequested), Outside;
    /// The amend's extra is reserved; it goes to the book.
    AmendAccepted(AmendAccepted), Derived;
    /// The order stands with its new terms.
    OrderAmended(OrderAmended), Derived;
    /// The amend had no effect; its extra is released.
    AmendRejected(AmendRejected), Derived;
    /// One leg of one trade.
    OrderFilled(OrderFilled), Derived;
    /// The order ended by its own rule.
    OrderExpired(OrderExpired), Derived;
    /// An outside record that repeats an earlier one and changes nothing.
    DuplicateIgnored(DuplicateIgnored), Derived;
    /// An outside record that can't be used.
    RecordRefused(RecordRefused), Derived;
    /// One match, on the public tape.
    TradeExecuted(TradeExecuted), Derived;
    /// An operator wants other fee rates.
    FeeScheduleRequested(FeeSchedule), Control;
    /// The fee rates of orders accepted from here on.
    FeeScheduleSet(FeeSchedule), Derived;
    /// An operator wants another version of the stages' rules.
    RulesVersionRequested(RulesVersion), Control;
    /// The version of the stages' rules from here on.
    RulesVersionSet(RulesVersion), Derived;
    /// An operator closes the session.
    SessionCloseRequested(SessionClose), Control;
    /// Day orders of these symbols expire here.
    SessionClosed(SessionClose), Derived;
    /// A projection parked an entity.
    EntityParked(EntityParked), Operator;
    /// An operator retried a parked record.
    ParkedRetried(ParkedDecision), Operator;
    /// An operator discarded a parked record.
    ParkedDiscarded(ParkedDecision), Operator;
    /// An operator accepted a difference found by a rebuild.
    DifferenceAccepted(OperatorDecision), Operator;
    /// An operator called an operating route.
    OperatorActed(OperatorDecision), Operator;
}

/// DepositMade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deposit {
    /// Whose account.
    pub user_id: UserId,
    /// `USD` is cash, any other asset is shares.
    pub asset: Asset,
    /// How much; shares are whole.
    pub amount: Amount,
}

/// AccountCredited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountCredited {
    /// Whose account.
    pub user_id: UserId,
    /// Which asset.
    pub asset: Asset,
    /// How much was booked.
    pub amount: Amount,
    /// The eventId of the deposit.
    pub request_id: Uuid,
}

/// WithdrawalRequested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalRequested {
    /// Whose account.
    pub user_id: UserId,
    /// Which asset.
    pub asset: Asset,
    /// How much is wanted.
    pub amount: Amount,
    /// The withdrawal's id; without one it is the eventId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal_id: Option<WithdrawalId>,
}

/// AccountDebited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalDecided {
    /// Whose account.
    pub user_id: UserId,
    /// The withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Which asset.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The eventId of the request.
    pub request_id: Uuid,
}

/// WithdrawalRejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalRejected {
    /// Whose account.
    pub user_id: UserId,
    /// The withdrawal.
    pub withdrawal_id: WithdrawalId,
    /// Which asset.
    pub asset: Asset,
    /// How much was wanted.
    pub amount: Amount,
    /// Why not.
    pub reason: Rejection,
    /// The eventId of the request.
    pub request_id: Uuid,
}

/// What a user wants of the book; OrderAccepted and OrderRejected repeat it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderCreatedV1 {
    order_id: OrderId,
    user_id: UserId,
    symbol: Symbol,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "AnsweredTerms")]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "AnsweredTerms")]
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

/// OrderCancelRequested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelRequested {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
}

/// CancelAccepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderAmendRequested {
    /// Which order.
    pub order_id: OrderId,
    /// Whose order.
    pub user_id: UserId,
    /// The new total, filled shares included; absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The new price; absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// AmendAccepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// DuplicateIgnored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DuplicateIgnored {
    /// The repeat.
    pub position: Position,
    /// The first record of that id.
    pub original: Position,
}

/// RecordRefused, in `orders`; the notice in `dead-letters` carries the optional fields too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// TradeExecuted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeeSchedule {
    /// The rate of resting orders.
    pub maker_bps: BasisPoints,
    /// The rate of incoming orders.
    pub taker_bps: BasisPoints,
}

/// RulesVersionRequested and RulesVersionSet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesVersion {
    /// The version of the stages' decisions and output bytes.
    pub rules_version: u32,
}

/// SessionCloseRequested and SessionClosed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionClose {
    /// The symbols whose session closes; null: all.
    pub symbols: Option<Vec<Symbol>>,
}

/// EntityParked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// DifferenceAccepted and OperatorActed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Event {
    /// The user whose event it is, where it has one.
    pub fn user_id(&self) -> Option<&UserId> {
        match self {
            Event::DepositMade(event) => Some(&event.user_id),
            Event::AccountCredited(event) => Some(&event.user_id),
            Event::WithdrawalRequested(event) => Some(&event.user_id),
            Event::AccountDebited(event) => Some(&event.user_id),
            Event::WithdrawalRejected(event) => Some(&event.user_id),
            Event::OrderCreated(event) => Some(&event.user_id),
            Event::OrderAccepted(event) => Some(&event.terms.user_id),
            Event::OrderRejected(event) => Some(&event.terms.user_id),
            Event::OrderCancelRequested(event) => Some(&event.user_id),
            Event::CancelAccepted(event) => Some(&event.user_id),
            Event::OrderCanceled(event) => Some(&event.user_id),
            Event::CancelRejected(event) => Some(&event.user_id),
            Event::OrderAmendRequested(event) => Some(&event.user_id),
            Event::AmendAccepted(event) => Some(&event.user_id),
            Event::OrderAmended(event) => Some(&event.user_id),
            Event::AmendRejected(event) => Some(&event.user_id),
            Event::OrderFilled(event) => Some(&event.user_id),
            Event::OrderExpired(event) => Some(&event.user_id),
            _ => None,
        }
    }

    /// The order whose event it is, where it has one.
    pub fn order_id(&self) -> Option<&OrderId> {
        match self {
            Event::OrderCreated(event) => Some(&event.order_id),
            Event::OrderAccepted(event) => Some(&event.terms.order_id),
            Event::OrderRejected(event) => Some(&event.terms.order_id),
            Event::OrderCancelRequested(event) => Some(&event.order_id),
            Event::CancelAccepted(event) => Some(&event.order_id),
            Event::OrderCanceled(event) => Some(&event.order_id),
            Event::CancelRejected(event) => Some(&event.order_id),
            Event::OrderAmendRequested(event) => Some(&event.order_id),
            Event::AmendAccepted(event) => Some(&event.order_id),
            Event::OrderAmended(event) => Some(&event.order_id),
            Event::AmendRejected(event) => Some(&event.order_id),
            Event::OrderFilled(event) => Some(&event.order_id),
            Event::OrderExpired(event) => Some(&event.order_id),
            _ => None,
        }
    }

    /// The symbol it is about, where it names one.
    pub fn symbol(&self) -> Option<Symbol> {
        match self {
            Event::OrderCreated(event) => Some(event.symbol),
            Event::OrderAccepted(event) => Some(event.terms.symbol),
            Event::OrderRejected(event) => Some(event.terms.symbol),
            Event::CancelAccepted(event) => Some(event.symbol),
            Event::OrderCanceled(event) => Some(event.symbol),
            Event::AmendAccepted(event) => Some(event.symbol),
            Event::OrderAmended(event) => Some(event.symbol),
            Event::OrderFilled(event) => Some(event.symbol),
            Event::OrderExpired(event) => Some(event.symbol),
            Event::TradeExecuted(event) => Some(event.symbol),
            _ => None,
        }
    }
}
