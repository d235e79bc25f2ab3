//! One event of every type, made of given parts: fixed ones for the golden bytes, random ones for the round trips.

use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::{
    AccountAdjusted, AccountCredited, Adjustment, AdjustmentRejected, AmendAccepted, AmendRejected, CancelAccepted,
    CancelRejected, Deposit, Direction, DuplicateIgnored, EntityParked, Event, FeeSchedule, OperatorDecision,
    OrderAccepted, OrderAmendRequested, OrderAmended, OrderCancelRequested, OrderCanceled, OrderCreated, OrderExpired,
    OrderFilled, OrderRejected, Origin, ParkedDecision, RecordRefused, RulesVersion, SessionClose, StreamKeyChange,
    TradeExecuted, WithdrawalDecided, WithdrawalRejected, WithdrawalRequested,
};
use orderledger_domain::ids::{Asset, ClientOrderId, KeyId, OrderId, Symbol, UserId, WithdrawalId};
use orderledger_domain::money::{Amount, BasisPoints, Price, Quantity};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::reason::{ExpireReason, RefuseReason, Rejection};
use orderledger_domain::terms::{Liquidity, OrderType, Side, TimeInForce};
use orderledger_domain::timestamp::Timestamp;
use uuid::Uuid;

/// What events are made of.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) user: UserId,
    pub(crate) other_user: UserId,
    pub(crate) order: OrderId,
    pub(crate) client_order: Option<ClientOrderId>,
    pub(crate) withdrawal: Option<WithdrawalId>,
    pub(crate) symbol: Symbol,
    pub(crate) price: Option<Price>,
    pub(crate) quantity: Quantity,
    pub(crate) leaves: Quantity,
    pub(crate) amount: Amount,
    pub(crate) max_cost: Option<Amount>,
    pub(crate) bps: (BasisPoints, BasisPoints),
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) post_only: bool,
    pub(crate) liquidity: Liquidity,
    pub(crate) rejection: Rejection,
    pub(crate) expiry: ExpireReason,
    pub(crate) refusal: RefuseReason,
    pub(crate) id: Uuid,
    pub(crate) offset: u64,
    pub(crate) text: String,
}

impl Parts {
    /// The parts of the golden bytes.
    pub(crate) fn golden() -> Parts {
        Parts {
            user: UserId::new("67890").unwrap(),
            other_user: UserId::new("u.2").unwrap(),
            order: OrderId::new("12345").unwrap(),
            client_order: Some(ClientOrderId::new("a-1").unwrap()),
            withdrawal: Some(WithdrawalId::new("w-1").unwrap()),
            symbol: Symbol::new("AAPL").unwrap(),
            price: Some(Price::from_units(1_502_500).unwrap()),
            quantity: Quantity::new(100).unwrap(),
            leaves: Quantity::new(40).unwrap(),
            amount: Amount::from_units(200_000_001),
            max_cost: Some(Amount::from_units(150_000_000)),
            bps: (BasisPoints::new(10).unwrap(), BasisPoints::new(25).unwrap()),
            side: Side::Sell,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Day,
            post_only: true,
            liquidity: Liquidity::Maker,
            rejection: Rejection::InsufficientFunds,
            expiry: ExpireReason::SessionClosed,
            refusal: RefuseReason::IdReused,
            id: Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
            offset: 1842,
            text: "a \"quoted\" \u{fc}\n".to_owned(),
        }
    }

    fn position(&self) -> Position {
        Topic::Orders.at(3).offset(self.offset)
    }

    fn priced(&self) -> Price {
        self.price.unwrap_or(Price::MAX)
    }

    fn created(&self) -> OrderCreated {
        OrderCreated {
            order_id: self.order.clone(),
            user_id: self.user.clone(),
            symbol: self.symbol,
            side: self.side,
            order_type: self.order_type,
            time_in_force: Some(self.time_in_force),
            post_only: self.post_only,
            quantity: self.quantity,
            price: self.price,
            max_cost: self.max_cost,
            client_order_id: self.client_order.clone(),
        }
    }

    /// One event of every type.
    pub(crate) fn every_event(&self) -> Vec<Event> {
        [
            self.cash(),
            self.requests_and_answers(),
            self.life(),
            self.notices(),
            self.control_and_operators(),
            self.adjustments(),
        ]
        .concat()
    }

    fn cash(&self) -> Vec<Event> {
        let (user_id, asset, amount, request_id) = (self.user.clone(), self.symbol.asset(), self.amount, self.id);
        let withdrawal_id = WithdrawalId::new("w-2").unwrap();
        let (reason, cash) = (self.rejection, Asset::USD);
        vec![
            Event::DepositMade(Deposit { user_id: user_id.clone(), asset: cash, amount }),
            Event::AccountCredited(AccountCredited { user_id: user_id.clone(), asset: cash, amount, request_id }),
            Event::WithdrawalRequested(WithdrawalRequested {
                user_id: user_id.clone(),
                asset,
                amount,
                withdrawal_id: self.withdrawal.clone(),
            }),
            Event::AccountDebited(WithdrawalDecided {
                user_id: user_id.clone(),
                withdrawal_id: withdrawal_id.clone(),
                asset,
                amount,
                request_id,
            }),
            Event::WithdrawalRejected(WithdrawalRejected { user_id, withdrawal_id, asset, amount, reason, request_id }),
        ]
    }

    fn adjustments(&self) -> Vec<Event> {
        let (request_id, rejection) = (self.id, self.rejection);
        let adjustment = |direction, corrects| Adjustment {
            user_id: self.user.clone(),
            asset: self.symbol.asset(),
            direction,
            amount: self.amount,
            reason: self.text.clone(),
            corrects,
        };
        let (credit, debit) =
            (adjustment(Direction::Credit, Some(self.position())), adjustment(Direction::Debit, None));
        vec![
            Event::AdjustmentRequested(credit.clone()),
            Event::AccountAdjusted(AccountAdjusted { adjustment: debit, request_id }),
            Event::AdjustmentRejected(AdjustmentRejected { adjustment: credit, rejection, request_id }),
        ]
    }

    fn requests_and_answers(&self) -> Vec<Event> {
        let (created, terms) = (self.created(), self.created().terms());
        let (order_id, user_id, symbol) = (self.order.clone(), self.user.clone(), self.symbol);
        let (maker_bps, taker_bps) = self.bps;
        let (quantity, price, at) = (self.quantity, self.priced(), self.position());
        vec![
            Event::OrderCreated(created),
            Event::OrderAccepted(OrderAccepted { terms: terms.clone(), reserved: self.amount, maker_bps, taker_bps }),
            Event::OrderRejected(OrderRejected { terms, reason: self.rejection }),
            Event::OrderCancelRequested(OrderCancelRequested { order_id: order_id.clone(), user_id: user_id.clone() }),
            Event::CancelAccepted(CancelAccepted {
                order_id: order_id.clone(),
                user_id: user_id.clone(),
                symbol,
                created: at,
            }),
            Event::OrderAmendRequested(OrderAmendRequested {
                order_id: order_id.clone(),
                user_id: user_id.clone(),
                quantity: Some(quantity),
                price: self.price,
            }),
            Event::AmendAccepted(AmendAccepted {
                order_id,
                user_id,
                symbol,
                quantity,
                price,
                extra_reserved: self.amount,
                created: at,
            }),
        ]
    }

    fn life(&self) -> Vec<Event> {
        let order_id = || self.order.clone();
        let user_id = || self.user.clone();
        let (symbol, quantity, price) = (self.symbol, self.quantity, self.priced());
        vec![
            Event::OrderCanceled(OrderCanceled {
                order_id: order_id(),
                user_id: user_id(),
                symbol,
                canceled_quantity: self.leaves,
            }),
            Event::CancelRejected(CancelRejected { order_id: order_id(), user_id: user_id(), reason: self.rejection }),
            Event::OrderAmended(OrderAmended {
                order_id: order_id(),
                user_id: user_id(),
                symbol,
                quantity,
                price,
                extra_reserved: self.amount,
                leaves_quantity: self.leaves,
            }),
            Event::AmendRejected(AmendRejected {
                order_id: order_id(),
                user_id: user_id(),
                reason: self.rejection,
                extra_reserved: self.amount,
            }),
            Event::OrderFilled(OrderFilled {
                order_id: order_id(),
                user_id: user_id(),
                symbol,
                side: self.side,
                trade_id: format!("{symbol}-7"),
                price,
                quantity,
                fee: self.amount,
                liquidity: self.liquidity,
                cum_quantity: quantity,
                leaves_quantity: self.leaves,
            }),
            Event::OrderExpired(OrderExpired {
                order_id: order_id(),
                user_id: user_id(),
                symbol,
                reason: self.expiry,
                expired_quantity: self.leaves,
            }),
        ]
    }

    fn notices(&self) -> Vec<Event> {
        let position = self.position();
        let original = position.topic_partition().offset(self.offset / 2);
        vec![
            Event::DuplicateIgnored(DuplicateIgnored { position, original }),
            Event::RecordRefused(RecordRefused {
                position,
                reason: self.refusal,
                detail: self.text.clone(),
                original: Some(original),
                digest: Some(format!("{:016x}", self.offset)),
                headers: None,
                headers_cut: None,
                excerpt: Some(self.text.clone()),
            }),
            Event::TradeExecuted(TradeExecuted {
                trade_id: format!("{}-{}", self.symbol, self.offset),
                symbol: self.symbol,
                book_seq: self.offset,
                price: self.priced(),
                quantity: self.quantity,
                taker_side: self.side,
                buy_user_id: self.user.clone(),
                buy_order_id: self.order.clone(),
                sell_user_id: self.other_user.clone(),
                sell_order_id: self.order.clone(),
            }),
        ]
    }

    fn control_and_operators(&self) -> Vec<Event> {
        let (maker_bps, taker_bps) = self.bps;
        let (fees, rules) = (FeeSchedule { maker_bps, taker_bps }, RulesVersion { rules_version: 1 });
        let key = StreamKeyChange { key_id: KeyId::new("2026-11").unwrap() };
        let close = |symbols| SessionClose { symbols };
        let text = || self.text.clone();
        let (projection, position) = (String::from("settlement"), self.position());
        let parked = || ParkedDecision {
            projection: projection.clone(),
            position,
            reason: text(),
            actor: String::from("op"),
            after: None,
        };
        let acted = || OperatorDecision { action: text(), subject: text(), reason: text(), actor: String::from("op") };
        vec![
            Event::FeeScheduleRequested(fees),
            Event::FeeScheduleSet(fees),
            Event::RulesVersionRequested(rules),
            Event::RulesVersionSet(rules),
            Event::SessionCloseRequested(close(Some(vec![self.symbol]))),
            Event::SessionClosed(close(None)),
            Event::EntityParked(EntityParked {
                projection: projection.clone(),
                entity: format!("user:{}", self.user),
                position,
                error: text(),
            }),
            Event::ParkedRetried(parked()),
            Event::ParkedDiscarded(parked()),
            Event::DifferenceAccepted(acted()),
            Event::OperatorActed(acted()),
            Event::StreamKeyRequested(key),
            Event::StreamKeySet(key),
            Event::StreamKeyTaken(key),
        ]
    }

    /// The record's value as the ledger writes it: a derived event with its place in a stream, any other without.
    pub(crate) fn value(&self, event: &Event, timestamp: Timestamp) -> Vec<u8> {
        if event.event_type().origin() == Origin::Derived {
            let payload = envelope::payload_bytes(event);
            envelope::write_derived(event.event_type(), &payload, timestamp, &self.stamp(), "intake")
        } else {
            envelope::write_outside(self.id, timestamp, event, "test")
        }
    }

    /// The place in a stream of every derived record.
    pub(crate) fn stamp(&self) -> Stamp {
        let cause = Cause { position: self.position(), index: 1 };
        let (sequence, prev) = (self.offset.saturating_add(1), 0x00ab_cdef_0123_4567);
        Stamp { cause, sequence, prev, key: None, takes: None }
    }
}
