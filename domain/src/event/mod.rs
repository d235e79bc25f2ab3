//! Every event of the ledger and what it says. Amounts and prices are JSON numbers with at most 4 decimals.

mod adjustment;
mod cash;
mod life;
mod notice;
mod terms;

use serde::{Deserialize, Serialize};

use crate::ids::{OrderId, Symbol, UserId};
use crate::object;

pub use adjustment::{AccountAdjusted, Adjustment, AdjustmentRejected, Direction};
pub use cash::{AccountCredited, Deposit, WithdrawalDecided, WithdrawalRejected, WithdrawalRequested};
pub use life::{
    AmendAccepted, AmendRejected, CancelAccepted, CancelRejected, OrderAmendRequested, OrderAmended,
    OrderCancelRequested, OrderCanceled, OrderExpired, OrderFilled,
};
pub use notice::{
    DuplicateIgnored, EntityParked, FeeSchedule, NoticeHeader, OperatorDecision, ParkedDecision, RecordRefused,
    RulesVersion, SessionClose, StreamKeyChange, TradeExecuted,
};
pub(crate) use terms::OrderCreatedV1;
pub use terms::{OrderAccepted, OrderCreated, OrderRejected, Terms};

macro_rules! events {
    ($($(#[doc = $doc:literal])* $name:ident($payload:ty), $origin:ident;)*) => {
        /// The type of an event, as `eventType` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventType { $($(#[doc = $doc])* $name,)* }

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

            /// What an event of it says, in words.
            pub fn says(self) -> &'static str {
                match self { $(EventType::$name => concat!($($doc),*).trim(),)* }
            }

            /// The form of its payload.
            pub(crate) fn payload_schema(self, of: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use schemars::JsonSchema;
                match self { $(EventType::$name => <$payload>::json_schema(of),)* }
            }

            /// The type of that name.
            pub fn from_name(name: &str) -> Option<EventType> {
                match name { $(stringify!($name) => Some(EventType::$name),)* _ => None }
            }
        }

        /// An event: its type and its payload.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[doc = $doc])* $name($payload),)* }

        impl Event {
            /// The event's type.
            pub const fn event_type(&self) -> EventType {
                match self { $(Event::$name(_) => EventType::$name,)* }
            }

            /// Reads the payload of a type from its JSON text.
            pub(crate) fn from_payload(kind: EventType, payload: &str) -> Result<Event, serde_json::Error> {
                match kind { $(EventType::$name => object::from_str(payload).map(Event::$name),)* }
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
    /// An operator wants the streams sealed with another key.
    StreamKeyRequested(StreamKeyChange), Control;
    /// The stages seal what they write of records from here on with another key.
    StreamKeySet(StreamKeyChange), Derived;
    /// The stream's records are sealed with another key from the next on.
    StreamKeyTaken(StreamKeyChange), Derived;
    /// An operator wants an account corrected.
    AdjustmentRequested(Adjustment), Outside;
    /// A correction was booked.
    AccountAdjusted(AccountAdjusted), Derived;
    /// A correction was not granted.
    AdjustmentRejected(AdjustmentRejected), Derived;
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
            Event::AdjustmentRequested(event) => Some(&event.user_id),
            Event::AccountAdjusted(event) => Some(&event.adjustment.user_id),
            Event::AdjustmentRejected(event) => Some(&event.adjustment.user_id),
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
