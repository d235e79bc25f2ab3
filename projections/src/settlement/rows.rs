//! The rows that settlement keeps, and their keys. Every change of a shape here raises [`super::SCHEMA`].

use std::collections::VecDeque;

use bytes::Bytes;
use orderledger_domain::account::Account;
use orderledger_domain::event::{EventType, FeeSchedule, OrderAccepted, Terms};
use orderledger_domain::ids::{Asset, ClientOrderId, KeyId, OrderId, Symbol, UserId, WithdrawalId};
use orderledger_domain::money::{Amount, BasisPoints};
use orderledger_domain::order::{Order, Status};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::reason::{ExpireReason, Rejection};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{self, KeyBuilder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One user's account. It exists as soon as a derived event names the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    /// The partition of `orders` that holds all of the user's events.
    pub partition: u32,
    /// The first offset of the newest block of postings.
    pub posting_block: Option<u64>,
    /// The first offset of the newest block of fills.
    pub fill_block: Option<u64>,
    /// The balances of every asset that the user ever had.
    pub account: Account,
}

/// Why an order ended unfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It was not granted.
    Rejected(Rejection),
    /// It ended by its own rule.
    Expired(ExpireReason),
}

impl Reason {
    /// The reason as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Rejected(reason) => reason.as_str(),
            Reason::Expired(reason) => reason.as_str(),
        }
    }
}

/// One derived event of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvent {
    /// Where it stands in the user's partition.
    pub offset: u64,
    /// Its type.
    pub event_type: EventType,
    /// Where the request stands that it answers, in the same partition.
    pub request: Option<u64>,
    /// Why the request was not granted.
    pub rejected: Option<Rejection>,
}

/// One order. A placeholder (`pending_new`) has no events yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// The order with its terms and figures.
    pub order: Order,
    /// The budget asked for a market buy.
    pub max_cost: Option<Amount>,
    /// The partition of `orders` that holds its events.
    pub partition: u32,
    /// Why it ended unfilled.
    pub reason: Option<Reason>,
    /// When its user placed it.
    pub created_at: Timestamp,
    /// When the newest event that changed it happened.
    pub updated_at: Timestamp,
    /// Where intake's judgement stands, OrderAccepted or OrderRejected; of a placeholder: where OrderCreated stands.
    pub judged: u64,
    /// Where the newest event stands that changed its status, terms, quantities or what is held for it.
    pub changed: u64,
    /// Where the requests stand that the book has not answered: cancels, oldest first.
    pub undecided_cancels: VecDeque<u64>,
    /// And amends, oldest first.
    pub undecided_amends: VecDeque<u64>,
    /// Its newest derived events, oldest first; earlier ones stand in full blocks of [`EVENTS_PER_BLOCK`].
    pub events: Vec<OrderEvent>,
}

/// So many events of an order are moved from its row into a block of their own.
pub const EVENTS_PER_BLOCK: usize = 128;

impl OrderRow {
    /// A row of terms that reserve nothing: of a placeholder, or of an order that intake rejects.
    pub(super) fn of_terms(terms: &Terms, created: Position, at: Timestamp) -> OrderRow {
        let (reserved, rate) = (Amount::ZERO, BasisPoints::default());
        let nothing = OrderAccepted { terms: terms.clone(), reserved, maker_bps: rate, taker_bps: rate };
        let (order, _) = Order::accept(&nothing, created.offset);
        OrderRow::new(order, terms.max_cost, created, at)
    }

    pub(super) fn new(order: Order, max_cost: Option<Amount>, judged: Position, at: Timestamp) -> OrderRow {
        OrderRow {
            order,
            max_cost,
            partition: judged.partition,
            reason: None,
            created_at: at,
            updated_at: at,
            judged: judged.offset,
            changed: judged.offset,
            undecided_cancels: VecDeque::new(),
            undecided_amends: VecDeque::new(),
            events: Vec::new(),
        }
    }

    /// A placeholder: asked, not yet judged.
    pub(super) fn placeholder(terms: &Terms, created: Position, at: Timestamp) -> OrderRow {
        let mut row = OrderRow::of_terms(terms, created, at);
        row.order.status = Status::PendingNew;
        row
    }

    /// The position of an offset in the order's partition.
    pub const fn at(&self, offset: u64) -> Position {
        Topic::Orders.at(self.partition).offset(offset)
    }

    /// The newest event that changed the order.
    pub const fn position(&self) -> Position {
        self.at(self.changed)
    }

    /// Intake's judgement of the order.
    pub const fn judged_position(&self) -> Position {
        self.at(self.judged)
    }

    /// The mean price of what is filled, rounded half-even to 1/10000; none before a fill.
    pub fn average_price(&self) -> Option<Amount> {
        let notional = self.order.maker_notional.plus(self.order.taker_notional).units();
        let filled = i128::from(self.order.cum_quantity.shares());
        let (whole, rest) = (notional.checked_div(filled)?, notional.checked_rem(filled)?);
        let twice = rest.saturating_mul(2);
        let up = twice > filled || (twice == filled && whole % 2 != 0);
        Some(Amount::from_units(whole.saturating_add(i128::from(up))))
    }
}

/// What became of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WithdrawalStatus {
    /// Asked, not yet decided.
    Pending,
    /// Granted and booked.
    Completed,
    /// Not granted.
    Rejected(Rejection),
}

impl WithdrawalStatus {
    /// The status as it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            WithdrawalStatus::Pending => "pending",
            WithdrawalStatus::Completed => "completed",
            WithdrawalStatus::Rejected(_) => "rejected",
        }
    }

    /// Why it was not granted.
    pub const fn reason(self) -> Option<Rejection> {
        if let WithdrawalStatus::Rejected(reason) = self { Some(reason) } else { None }
    }
}

/// One withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawalRow {
    /// Its id.
    pub withdrawal_id: WithdrawalId,
    /// The eventId of its request.
    pub request_id: Uuid,
    /// Which asset.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// What became of it.
    pub status: WithdrawalStatus,
    /// The partition of `orders` that holds its events.
    pub partition: u32,
    /// Where its request stands.
    pub requested: u64,
    /// Where its newest event stands: the request, then the decision.
    pub changed: u64,
    /// When it was asked.
    pub created_at: Timestamp,
    /// When its newest event happened.
    pub updated_at: Timestamp,
}

impl WithdrawalRow {
    /// The newest event of the withdrawal.
    pub const fn position(&self) -> Position {
        Topic::Orders.at(self.partition).offset(self.changed)
    }
}

/// One correction of an account, booked or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustmentRow {
    /// The eventId of its request.
    pub request_id: Uuid,
    /// Which asset.
    pub asset: Asset,
    /// What it gave, above zero, or took.
    pub change: Amount,
    /// Why, in an operator's words.
    pub reason: String,
    /// The record whose postings it corrects.
    pub corrects: Option<Position>,
    /// Why it was not booked, if it wasn't.
    pub rejection: Option<Rejection>,
    /// Where the answer stands, and the postings if it was booked.
    pub position: Position,
    /// When it was decided.
    pub time: Timestamp,
}

/// The fee rates that stand in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeeScheduleRow {
    /// The rates.
    pub schedule: FeeSchedule,
    /// Where they were set, in that partition.
    pub offset: u64,
}

/// The version of the stages' rules in force in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesRow {
    /// The version.
    pub version: u32,
    /// Where it was set, in that partition.
    pub offset: u64,
}

/// The key that one partition's stages seal their streams with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKeyRow {
    /// The key's id.
    pub key_id: KeyId,
    /// Where it was set, in that partition.
    pub offset: u64,
}

/// Where a session closed in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Where SessionClosed stands, in that partition.
    pub offset: u64,
    /// When it closed: the same in every partition.
    pub closed_at: Timestamp,
    /// Whether it closed for all symbols.
    pub is_whole: bool,
    /// Otherwise these, in partition 0 alone, where the close is asked for.
    pub symbols: Vec<Symbol>,
}

/// The key of rows that a user has once or, as a prefix, of all of a kind.
pub(super) fn user_key(prefix: u8, user: &UserId) -> Bytes {
    KeyBuilder::new(prefix).name(user.as_str()).build()
}

/// The key of a user's row that begins at an offset.
pub(super) fn offset_key(prefix: u8, user: &UserId, offset: u64) -> Bytes {
    KeyBuilder::new(prefix).name(user.as_str()).u64(offset).build()
}

pub(super) fn order_index_key(order_id: &OrderId, user: &UserId) -> Bytes {
    KeyBuilder::new(keys::ORDER_INDEX).name(order_id.as_str()).name(user.as_str()).build()
}

/// The keys of the orders that a client called so; each goes on with its created offset.
pub(super) fn client_order_prefix(user: &UserId, name: &ClientOrderId) -> KeyBuilder {
    KeyBuilder::new(keys::CLIENT_ORDER).name(user.as_str()).name(name.as_str())
}

pub(super) fn order_events_prefix(user: &UserId, created: u64) -> KeyBuilder {
    KeyBuilder::new(keys::ORDER_EVENT_BLOCK).name(user.as_str()).u64(created)
}

pub(super) fn withdrawal_index_key(user: &UserId, id: &WithdrawalId) -> Bytes {
    KeyBuilder::new(keys::WITHDRAWAL_INDEX).name(user.as_str()).name(id.as_str()).build()
}

pub(super) fn system_key(partition: u32) -> Bytes {
    KeyBuilder::new(keys::SYSTEM_ACCOUNT).u32(partition).build()
}

/// The name of the rows of fee schedules.
pub(super) const FEES: &str = "fees";
/// The name of the rows of the rules' versions.
pub(super) const RULES: &str = "rules";
/// The name of the rows of the streams' keys.
pub(super) const STREAM_KEY: &str = "stream_key";

/// The name of the rows of closed sessions.
pub(super) const SESSION: &str = "session";

/// The key of a close's row of one partition; `asked` is where it was asked for, in partition 0.
pub(super) fn session_key(asked: u64, partition: u32) -> Bytes {
    KeyBuilder::new(keys::CONTROL).name(SESSION).u64(asked).u32(partition).build()
}

pub(super) fn control_key(name: &str, partition: u32) -> Bytes {
    KeyBuilder::new(keys::CONTROL).name(name).u32(partition).build()
}
