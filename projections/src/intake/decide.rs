//! What a usable record from outside leads to. Deciding may reject and then changes nothing.

use orderledger_domain::account::Postings;
use orderledger_domain::envelope::{Envelope, payload_bytes};
use orderledger_domain::event::{
    AccountAdjusted, AccountCredited, Adjustment, AdjustmentRejected, AmendAccepted, AmendRejected, CancelAccepted,
    CancelRejected, Deposit, Direction, Event, EventType, OrderAmendRequested, OrderCancelRequested, OrderCreated,
    OrderRejected, WithdrawalDecided, WithdrawalRejected, WithdrawalRequested,
};
use orderledger_domain::ids::{OrderId, UserId, WithdrawalId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::order::{Order, Step};
use orderledger_domain::partition;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::Topic;
use orderledger_domain::reason::Rejection;
use orderledger_domain::terms::OrderType;
use orderledger_store::id_index::IdKind;

use super::accounts::Disagreement;
use super::fold::Intake;
use super::grant::{grant, insufficient};
use super::identity::{Id, Identities};
use super::judge::CONTROL_KEY;
use crate::stage::emitter::{Emission, Output};
use crate::stage::fold::Failure;

/// Where the outputs of one decision go.
pub(crate) struct Answering<'a> {
    pub(crate) emission: Emission<'a>,
    pub(crate) outputs: &'a mut Vec<Output>,
    pub(crate) partitions: u32,
}

impl Answering<'_> {
    /// The answer, in the partition of the record.
    pub(crate) fn answer(&mut self, key: &str, event: Event) {
        let home = self.emission.cause().topic_partition();
        self.emission.emit(home, key, &event, self.outputs);
        if let Some(output) = self.outputs.last_mut() {
            output.answer = Some(event);
        }
    }

    /// The answer to the user, and the same to the book.
    fn answer_and_route(&mut self, user: &UserId, symbol: &str, event: Event) {
        let payload = payload_bytes(&event);
        let event_type = event.event_type();
        let home = self.emission.cause().topic_partition();
        self.emission.emit_payload(home, user.as_str(), event_type, &payload, self.outputs);
        if let Some(output) = self.outputs.last_mut() {
            output.answer = Some(event);
        }
        let book = Topic::Books.at(partition::of_key(symbol.as_bytes(), self.partitions));
        self.emission.emit_payload(book, symbol, event_type, &payload, self.outputs);
    }

    /// A control event: the answer here, the same in every other partition of `orders` and in every one of `books`.
    fn answer_everywhere(&mut self, event: Event) {
        let payload = payload_bytes(&event);
        let (event_type, home) = (event.event_type(), self.emission.cause().topic_partition());
        self.answer(CONTROL_KEY, event);
        let orders = (0..self.partitions).map(|partition| Topic::Orders.at(partition));
        let books = (0..self.partitions).map(|partition| Topic::Books.at(partition));
        for target in orders.chain(books).filter(|target| *target != home) {
            self.emission.emit_payload(target, CONTROL_KEY, event_type, &payload, self.outputs);
        }
    }
}

impl Intake {
    pub(crate) fn decide(
        &mut self,
        envelope: &Envelope,
        event: &Event,
        identities: &Identities,
        to: &mut Answering<'_>,
    ) -> Result<(), Failure> {
        let decided = match event {
            Event::DepositMade(deposit) => self.deposit(envelope, deposit, to),
            Event::WithdrawalRequested(wanted) => self.withdraw(envelope, wanted, to),
            Event::AdjustmentRequested(adjustment) => self.adjust(envelope, adjustment, to),
            Event::OrderCreated(order) => self.create(order, to),
            Event::OrderCancelRequested(cancel) => return self.cancel(cancel, identities, to),
            Event::OrderAmendRequested(amend) => return self.amend(amend, identities, to),
            Event::FeeScheduleRequested(fees) => {
                if planted::is(Bug::FeesAtRequest) {
                    self.accounts.fees = *fees;
                }
                control(Event::FeeScheduleSet(*fees), to)
            }
            Event::RulesVersionRequested(rules) => control(Event::RulesVersionSet(*rules), to),
            Event::StreamKeyRequested(change) => {
                self.granted = Some(change.key_id);
                control(Event::StreamKeySet(*change), to)
            }
            Event::SessionCloseRequested(close) => control(Event::SessionClosed(close.clone()), to),
            _ => Ok(()),
        };
        decided.map_err(|error| disagreement(to, &error))
    }

    fn deposit(&mut self, envelope: &Envelope, deposit: &Deposit, to: &mut Answering<'_>) -> Result<(), Disagreement> {
        let Deposit { user_id, asset, amount } = deposit.clone();
        self.accounts.post(&user_id, &Postings::deposit(asset, amount))?;
        let credited = AccountCredited { user_id: user_id.clone(), asset, amount, request_id: envelope.event_id };
        to.answer(user_id.as_str(), Event::AccountCredited(credited));
        Ok(())
    }

    fn withdraw(
        &mut self,
        envelope: &Envelope,
        wanted: &WithdrawalRequested,
        to: &mut Answering<'_>,
    ) -> Result<(), Disagreement> {
        let WithdrawalRequested { user_id, asset, amount, withdrawal_id } = wanted.clone();
        let request_id = envelope.event_id;
        let withdrawal_id = match withdrawal_id {
            Some(id) => id,
            // A UUID is a valid name.
            None => WithdrawalId::new(&request_id.to_string()).map_err(|_| Disagreement::NotOpen)?,
        };
        let key = user_id.clone();
        let event = if amount > self.accounts.available(&user_id, asset) {
            let reason = if asset.is_cash() { Rejection::InsufficientFunds } else { Rejection::InsufficientShares };
            let rejected = WithdrawalRejected { user_id, withdrawal_id, asset, amount, reason, request_id };
            Event::WithdrawalRejected(rejected)
        } else {
            self.accounts.post(&user_id, &Postings::withdrawal(asset, amount))?;
            Event::AccountDebited(WithdrawalDecided { user_id, withdrawal_id, asset, amount, request_id })
        };
        to.answer(key.as_str(), event);
        Ok(())
    }

    /// What is reserved is bound by orders: a correction takes only from what is available.
    fn adjust(
        &mut self,
        envelope: &Envelope,
        adjustment: &Adjustment,
        to: &mut Answering<'_>,
    ) -> Result<(), Disagreement> {
        let (adjustment, request_id) = (adjustment.clone(), envelope.event_id);
        let Adjustment { user_id, asset, direction, amount, .. } = &adjustment;
        let (key, asset) = (user_id.clone(), *asset);
        let event = if *direction == Direction::Debit && *amount > self.accounts.available(user_id, asset) {
            let rejection = if asset.is_cash() { Rejection::InsufficientFunds } else { Rejection::InsufficientShares };
            Event::AdjustmentRejected(AdjustmentRejected { adjustment, rejection, request_id })
        } else {
            self.accounts.post(user_id, &adjustment.postings())?;
            Event::AccountAdjusted(AccountAdjusted { adjustment, request_id })
        };
        to.answer(key.as_str(), event);
        Ok(())
    }

    fn create(&mut self, created: &OrderCreated, to: &mut Answering<'_>) -> Result<(), Disagreement> {
        let terms = created.terms();
        let user = terms.user_id.clone();
        let available = |asset| self.accounts.available(&user, asset);
        match grant(&terms, self.accounts.fees, available) {
            Err(reason) => {
                to.answer(user.as_str(), Event::OrderRejected(OrderRejected { terms, reason }));
                Ok(())
            }
            Ok(accepted) => {
                let (order, postings) = Order::accept(&accepted, to.emission.cause().offset);
                self.accounts.open(order, &postings)?;
                let symbol = accepted.terms.symbol;
                to.answer_and_route(&user, symbol.as_str(), Event::OrderAccepted(accepted));
                Ok(())
            }
        }
    }

    fn cancel(
        &mut self,
        request: &OrderCancelRequested,
        identities: &Identities,
        to: &mut Answering<'_>,
    ) -> Result<(), Failure> {
        let OrderCancelRequested { order_id, user_id } = request.clone();
        let Some(order) = self.accounts.open_order(&user_id, &order_id) else {
            let reason = not_open(&user_id, &order_id, identities, to)?;
            let key = user_id.clone();
            to.answer(key.as_str(), Event::CancelRejected(CancelRejected { order_id, user_id, reason }));
            return Ok(());
        };
        let created = to.emission.cause().topic_partition().offset(order.created_offset);
        let accepted = CancelAccepted { order_id, user_id: user_id.clone(), symbol: order.symbol, created };
        if planted::is(Bug::CancelRace) {
            self.accounts
                .change_order(&Event::CancelAccepted(accepted.clone()), |order| order.close(Step::Canceled))
                .map_err(|error| disagreement(to, &error))?;
        }
        to.answer_and_route(&user_id, accepted.symbol.as_str(), Event::CancelAccepted(accepted.clone()));
        Ok(())
    }

    fn amend(
        &mut self,
        request: &OrderAmendRequested,
        identities: &Identities,
        to: &mut Answering<'_>,
    ) -> Result<(), Failure> {
        let OrderAmendRequested { order_id, user_id, quantity, price } = request.clone();
        let granted = match self.accounts.open_order(&user_id, &order_id) {
            None => Err(not_open(&user_id, &order_id, identities, to)?),
            Some(order) => self.grant_amend(order, quantity, price, to),
        };
        match granted {
            Err(reason) => {
                let rejected = AmendRejected { order_id, user_id, reason, extra_reserved: Amount::ZERO };
                let key = rejected.user_id.clone();
                to.answer(key.as_str(), Event::AmendRejected(rejected));
            }
            Ok(accepted) => {
                let event = Event::AmendAccepted(accepted.clone());
                self.accounts
                    .change_order(&event, |order| order.amend_accepted(&accepted))
                    .map_err(|error| disagreement(to, &error))?;
                to.answer_and_route(&user_id, accepted.symbol.as_str(), event);
            }
        }
        Ok(())
    }

    fn grant_amend(
        &self,
        order: &Order,
        quantity: Option<Quantity>,
        price: Option<Price>,
        to: &Answering<'_>,
    ) -> Result<AmendAccepted, Rejection> {
        let rests = order.order_type == OrderType::Limit && order.time_in_force.rests();
        let old_price = order.price.filter(|_| rests).ok_or(Rejection::NotAmendable)?;
        let (price, quantity) = (price.unwrap_or(old_price), quantity.unwrap_or(order.quantity));
        // While one is undecided, another may merely reduce further.
        let reduces = order.undecided.iter().all(|pending| pending.price == price && quantity < pending.quantity);
        let merely_reduces = reduces && price == old_price && quantity <= order.quantity;
        if !order.undecided.is_empty() && !merely_reduces {
            return Err(Rejection::AmendPending);
        }
        if price.times(quantity) > Amount::MAX_NOTIONAL {
            return Err(Rejection::NotionalTooLarge);
        }
        let extra_reserved = order.amend_extra(price, quantity);
        if extra_reserved > self.accounts.available(&order.user_id, order.held_asset()) {
            return Err(insufficient(order.side));
        }
        Ok(AmendAccepted {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            symbol: order.symbol,
            quantity,
            price,
            extra_reserved,
            created: to.emission.cause().topic_partition().offset(order.created_offset),
        })
    }
}

/// A control request takes effect when its result is read, in this partition as in every other.
fn control(event: Event, to: &mut Answering<'_>) -> Result<(), Disagreement> {
    debug_assert!(matches!(
        event.event_type(),
        EventType::FeeScheduleSet | EventType::RulesVersionSet | EventType::StreamKeySet | EventType::SessionClosed
    ));
    to.answer_everywhere(event);
    Ok(())
}

fn not_open(user: &UserId, order: &OrderId, identities: &Identities, to: &Answering<'_>) -> Result<Rejection, Failure> {
    let cause = to.emission.cause();
    let (user, bytes) = (user.as_str(), order.as_str().as_bytes());
    let id = Id { partition: cause.partition, user, bytes, offset: cause.offset };
    let used = identities.was_used(IdKind::Order, &id)?;
    Ok(if used { Rejection::OrderClosed } else { Rejection::UnknownOrder })
}

fn disagreement(to: &Answering<'_>, error: &Disagreement) -> Failure {
    Failure::Halt(format!("{}: {error}", to.emission.cause()))
}
