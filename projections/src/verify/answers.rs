//! Outside records and intake's answers: each answered once, in order, by what it asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::{AmendAccepted, Direction, Event, FeeSchedule, OrderAccepted, Origin};
use orderledger_domain::ids::{KeyId, UserId};
use orderledger_domain::position::Position;
use uuid::Uuid;

use super::money::{AmendBase, Money, amend_extra, first_need};
use super::report::{Check, Report};
use super::streams::event_text;

/// What was asked.
#[derive(Debug)]
struct Request {
    offset: u64,
    key: Option<Bytes>,
    event_id: Option<Uuid>,
    /// What it wants; none if it can't be used, which allows no other answer than a refusal.
    wants: Option<Event>,
    /// The rates of orders accepted by it.
    fees: FeeSchedule,
    /// The order to be amended, as intake knew it here.
    amends: Option<AmendBase>,
    /// It claims to be intake's own: passed over where intake wrote it too early, refused otherwise.
    claims_own: bool,
    /// The key that seals it.
    sealed_by: Option<KeyId>,
}

/// The records that intake has still to answer, and what may happen once only.
#[derive(Debug, Default)]
pub(super) struct Answers {
    unanswered: BTreeMap<u32, VecDeque<Request>>,
    /// The rates that stand in each partition.
    fees: BTreeMap<u32, FeeSchedule>,
    /// Requests to move assets that were decided.
    decided: BTreeSet<(UserId, Uuid)>,
    /// The key of the streams that was granted last.
    stream_key: Option<KeyId>,
}

impl Answers {
    /// Of a log that was begun with that key.
    pub(super) fn new(stream_key: Option<KeyId>) -> Answers {
        Answers { stream_key, ..Answers::default() }
    }

    /// An outside record of `orders`, sealed with that key.
    pub(super) fn ask(
        &mut self,
        at: Position,
        key: Option<Bytes>,
        envelope: Option<&Envelope>,
        sealed_by: Option<KeyId>,
        money: &Money,
    ) {
        let usable =
            envelope.filter(|envelope| matches!(envelope.event_type.origin(), Origin::Outside | Origin::Control));
        let wants = usable.and_then(|envelope| envelope.event.clone().ok());
        let amends = match &wants {
            Some(Event::OrderAmendRequested(amend)) => money.amend_base(&amend.user_id, &amend.order_id),
            _ => None,
        };
        let fees = self.fees.get(&at.partition).copied().unwrap_or_default();
        let event_id = envelope.map(|envelope| envelope.event_id);
        let stamp = envelope.and_then(|envelope| envelope.stamp);
        let claims_own = stamp.is_some_and(|stamp| stamp.cause.position.topic_partition() == at.topic_partition());
        let request = Request { offset: at.offset, key, event_id, wants, fees, amends, claims_own, sealed_by };
        self.unanswered.entry(at.partition).or_default().push_back(request);
    }

    /// A control event takes effect where it stands.
    pub(super) fn control(&mut self, partition: u32, event: &Event) {
        if let Event::FeeScheduleSet(fees) = event {
            self.fees.insert(partition, *fees);
        }
    }

    /// Intake's answer to the record at `cause`.
    pub(super) fn answer(
        &mut self,
        at: Position,
        cause: Position,
        key: Option<&Bytes>,
        event: &Event,
        money: &Money,
        report: &mut Report,
    ) {
        report.count(Check::Answers);
        let in_force = self.stream_key;
        if let Event::StreamKeySet(set) = event {
            self.stream_key = Some(set.key_id);
        }
        let waiting = self.unanswered.entry(at.partition).or_default();
        while waiting.pop_front_if(|request| request.claims_own && request.offset < cause.offset).is_some() {}
        let oldest = waiting.front().map(|request| request.offset);
        if oldest != Some(cause.offset) {
            let expected = oldest.map_or("no answer: all are answered".to_owned(), |oldest| {
                format!("an answer to {}", at.topic_partition().offset(oldest))
            });
            report.differs(Check::Answers, at, expected, format!("an answer to {cause}"));
            // On from there, so that one difference is told once.
            waiting.retain(|request| request.offset > cause.offset);
            return;
        }
        let Some(request) = waiting.pop_front() else { return };
        if let Err(expected) = request.allows(cause, key, event, money) {
            report.differs(Check::Answers, at, expected, event_text(event));
        }
        if matches!(event, Event::StreamKeySet(_)) && in_force.is_some() && request.sealed_by != in_force {
            let expected = "RecordRefused: it is not sealed with the stream key in force";
            report.differs(Check::Answers, at, expected, event_text(event));
        }
        if let Some((user, request_id)) = decision(event)
            && !self.decided.insert((user.clone(), request_id))
        {
            report.differs(
                Check::Answers,
                at,
                format!("request {request_id} of {user} decided once"),
                event_text(event),
            );
        }
    }

    /// How many records are unanswered.
    pub(super) fn unanswered(&self) -> u64 {
        let requests = self.unanswered.values().flatten().filter(|request| !request.claims_own);
        u64::try_from(requests.count()).unwrap_or(u64::MAX)
    }
}

fn decision(event: &Event) -> Option<(&UserId, Uuid)> {
    match event {
        Event::AccountCredited(event) => Some((&event.user_id, event.request_id)),
        Event::AccountDebited(event) => Some((&event.user_id, event.request_id)),
        Event::WithdrawalRejected(event) => Some((&event.user_id, event.request_id)),
        Event::AccountAdjusted(event) => Some((&event.adjustment.user_id, event.request_id)),
        Event::AdjustmentRejected(event) => Some((&event.adjustment.user_id, event.request_id)),
        _ => None,
    }
}

impl Request {
    /// Whether that may be the answer; if not, what should be said instead.
    fn allows(&self, cause: Position, key: Option<&Bytes>, event: &Event, money: &Money) -> Result<(), String> {
        match event {
            Event::RecordRefused(refused) => {
                return must(refused.position == cause, || format!("a refusal of {cause}"));
            }
            Event::DuplicateIgnored(ignored) => {
                let earlier = ignored.original.topic_partition() == cause.topic_partition()
                    && ignored.original.offset < cause.offset;
                let keyed = key == self.key.as_ref() && ignored.position == cause;
                return must(earlier && keyed, || format!("a repeat of an earlier record at {cause}"));
            }
            _ => {}
        }
        let Some(wants) = &self.wants else { return Err("RecordRefused: it can't be used".to_owned()) };
        must(key == self.key.as_ref(), || "the key of the record that it answers".to_owned())?;
        must(self.is_answer(wants, event, money), || format!("an answer to {}", event_text(wants)))
    }

    fn is_answer(&self, wants: &Event, event: &Event, money: &Money) -> bool {
        let is_own_id = |request: &Uuid| Some(*request) == self.event_id;
        match (wants, event) {
            (Event::DepositMade(a), Event::AccountCredited(b)) => {
                (&a.user_id, a.asset, a.amount) == (&b.user_id, b.asset, b.amount) && is_own_id(&b.request_id)
            }
            (Event::WithdrawalRequested(a), Event::AccountDebited(b)) => {
                (&a.user_id, a.asset, a.amount) == (&b.user_id, b.asset, b.amount)
                    && is_own_id(&b.request_id)
                    && a.withdrawal_id.as_ref().is_none_or(|id| *id == b.withdrawal_id)
            }
            (Event::WithdrawalRequested(a), Event::WithdrawalRejected(b)) => {
                (&a.user_id, a.asset, a.amount) == (&b.user_id, b.asset, b.amount)
                    && is_own_id(&b.request_id)
                    && a.withdrawal_id.as_ref().is_none_or(|id| *id == b.withdrawal_id)
            }
            (Event::AdjustmentRequested(a), Event::AccountAdjusted(b)) => {
                *a == b.adjustment && is_own_id(&b.request_id)
            }
            // What gives is always granted.
            (Event::AdjustmentRequested(a), Event::AdjustmentRejected(b)) => {
                *a == b.adjustment && is_own_id(&b.request_id) && a.direction == Direction::Debit
            }
            (Event::OrderCreated(a), Event::OrderAccepted(b)) => a.terms() == b.terms && self.grants(b),
            (Event::OrderCreated(a), Event::OrderRejected(b)) => a.terms() == b.terms,
            (Event::OrderCancelRequested(a), Event::CancelAccepted(b)) => {
                let known = money.order(&b.user_id, &b.order_id);
                (&a.user_id, &a.order_id) == (&b.user_id, &b.order_id)
                    && known.is_some_and(|order| order.created == b.created && order.symbol == b.symbol)
            }
            (Event::OrderCancelRequested(a), Event::CancelRejected(b)) => {
                (&a.user_id, &a.order_id) == (&b.user_id, &b.order_id)
            }
            (Event::OrderAmendRequested(a), Event::AmendAccepted(b)) => {
                (&a.user_id, &a.order_id) == (&b.user_id, &b.order_id)
                    && a.quantity.is_none_or(|quantity| quantity == b.quantity)
                    && a.price.is_none_or(|price| price == b.price)
                    && self.grants_amend(b, money)
            }
            (Event::OrderAmendRequested(a), Event::AmendRejected(b)) => {
                (&a.user_id, &a.order_id) == (&b.user_id, &b.order_id) && b.extra_reserved.is_zero()
            }
            (Event::FeeScheduleRequested(a), Event::FeeScheduleSet(b)) => a == b,
            (Event::RulesVersionRequested(a), Event::RulesVersionSet(b)) => a == b,
            (Event::StreamKeyRequested(a), Event::StreamKeySet(b)) => a == b,
            (Event::SessionCloseRequested(a), Event::SessionClosed(b)) => a == b,
            _ => false,
        }
    }

    /// The rates of the schedule that stood at the request, and a reserve that covers the order.
    fn grants(&self, accepted: &OrderAccepted) -> bool {
        let FeeSchedule { maker_bps, taker_bps } = self.fees;
        let rates = (accepted.maker_bps, accepted.taker_bps) == (maker_bps, taker_bps);
        let reserved = accepted.reserved.units();
        rates && reserved > 0 && first_need(accepted).is_none_or(|need| need == reserved)
    }

    fn grants_amend(&self, amend: &AmendAccepted, money: &Money) -> bool {
        let Some(order) = money.order(&amend.user_id, &amend.order_id) else { return false };
        // Where the acceptance stood behind the request, intake knew the order as it was placed.
        let base = self.amends.unwrap_or(order.placed);
        let kept = |asked: bool, new: i128, old: i128| asked || new == old;
        let Some(Event::OrderAmendRequested(wanted)) = &self.wants else { return false };
        let (price, quantity) = (i128::from(amend.price.units()), i128::from(amend.quantity.shares()));
        kept(wanted.price.is_some(), price, base.price)
            && kept(wanted.quantity.is_some(), quantity, base.quantity)
            && (order.created, order.symbol) == (amend.created, amend.symbol)
            && amend_extra(order, base, price, quantity) == amend.extra_reserved.units()
    }
}

fn must(holds: bool, expected: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(expected()) }
}
