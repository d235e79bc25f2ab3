//! What each derived event does to balances, orders and withdrawals.

use orderledger_domain::account::Postings;
use orderledger_domain::event::{Adjustment, Event, EventType, OrderAccepted, OrderFilled, OrderRejected};
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::order::{Order, Step, Unexpected};
use orderledger_domain::position::Topic;
use orderledger_domain::reason::Rejection;
use orderledger_store::keys;
use orderledger_store::views::View;
use uuid::Uuid;

use super::Settlement;
use super::holder::{Fact, Holder, Movement};
use super::rows::{AdjustmentRow, OrderRow, Reason, WithdrawalRow, WithdrawalStatus, user_key};
use super::tracked::{Answers, Note, Request, Stored, Tracked};
use crate::worker::fold::{Failure, Unappliable};
use crate::worker::read::Read;

/// An order of a user.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    user: &'a UserId,
    order_id: &'a OrderId,
}

fn unappliable(text: impl Into<String>) -> Failure {
    Failure::Record(Unappliable(text.into()))
}

impl Settlement {
    /// Applies a derived event; whether it changed a row.
    pub(super) fn derived(&mut self, view: &View, read: &Read) -> Result<bool, Failure> {
        let envelope = read.envelope.as_ref().map_err(|refusal| unappliable(refusal.to_string()))?;
        let event = envelope.event.as_ref().map_err(|refusal| unappliable(refusal.to_string()))?;
        let stamp = read.stamp.ok_or_else(|| unappliable("a derived event without a cause"))?;
        let fact = Fact { position: read.position, time: envelope.timestamp, cause: stamp.cause.position };
        let applied = match event {
            Event::AccountCredited(_) | Event::AccountDebited(_) | Event::WithdrawalRejected(_) => {
                self.cash(view, &fact, event)?;
                true
            }
            Event::AccountAdjusted(adjusted) => {
                self.adjusted(view, &fact, &adjusted.adjustment, (adjusted.request_id, None)).map(|()| true)?
            }
            Event::AdjustmentRejected(rejected) => {
                let outcome = (rejected.request_id, Some(rejected.rejection));
                self.adjusted(view, &fact, &rejected.adjustment, outcome).map(|()| true)?
            }
            Event::OrderAccepted(accepted) => self.accepted(view, &fact, accepted).map(|()| true)?,
            Event::OrderRejected(rejected) if fact.is_by_intake() => {
                self.rejected_by_intake(view, &fact, rejected).map(|()| true)?
            }
            _ => match (event.user_id(), event.order_id()) {
                (Some(user), Some(order_id)) => self.order_event(view, &fact, Named { user, order_id }, event)?,
                _ => self.control.set(&fact, event),
            },
        };
        let was_pending = self.pending.answered(fact.cause);
        Ok(applied || was_pending)
    }

    fn cash(&mut self, view: &View, fact: &Fact, event: &Event) -> Result<(), Failure> {
        let requested = fact.cause.offset;
        let row = |id: &_, request_id, asset, amount, status| WithdrawalRow {
            withdrawal_id: Clone::clone(id),
            request_id,
            asset,
            amount,
            status,
            partition: fact.position.partition,
            requested,
            changed: fact.position.offset,
            created_at: fact.time,
            updated_at: fact.time,
        };
        let (user, postings, withdrawal) = match event {
            Event::AccountCredited(e) => (&e.user_id, Postings::deposit(e.asset, e.amount), None),
            Event::AccountDebited(e) => {
                let row = row(&e.withdrawal_id, e.request_id, e.asset, e.amount, WithdrawalStatus::Completed);
                (&e.user_id, Postings::withdrawal(e.asset, e.amount), Some(row))
            }
            Event::WithdrawalRejected(e) => {
                let row = row(&e.withdrawal_id, e.request_id, e.asset, e.amount, WithdrawalStatus::Rejected(e.reason));
                (&e.user_id, Postings::default(), Some(row))
            }
            _ => return Ok(()),
        };
        let movement = self.prepare(view, fact, user, postings, None, None)?;
        self.carry_out(fact, user, &movement);
        self.withdrawals.extend(withdrawal.map(|row| (user.clone(), row)));
        Ok(())
    }

    /// A correction, and why it was not booked, if it wasn't.
    fn adjusted(
        &mut self,
        view: &View,
        fact: &Fact,
        adjustment: &Adjustment,
        (request_id, rejection): (Uuid, Option<Rejection>),
    ) -> Result<(), Failure> {
        let Adjustment { user_id, asset, direction, amount, reason, corrects } = adjustment;
        let postings = if rejection.is_none() { adjustment.postings() } else { Postings::default() };
        let movement = self.prepare(view, fact, user_id, postings, None, None)?;
        self.carry_out(fact, user_id, &movement);
        let row = AdjustmentRow {
            request_id,
            asset: *asset,
            change: direction.signed(*amount),
            reason: reason.clone(),
            corrects: *corrects,
            rejection,
            position: fact.position,
            time: fact.time,
        };
        self.adjustments.push((user_id.clone(), row));
        Ok(())
    }

    fn accepted(&mut self, view: &View, fact: &Fact, accepted: &OrderAccepted) -> Result<(), Failure> {
        let (user, order_id) = (&accepted.terms.user_id, &accepted.terms.order_id);
        fact.check_by_intake()?;
        self.check_is_new(view, fact, user, order_id)?;
        let (order, postings) = Order::accept(accepted, fact.cause.offset);
        let movement = self.prepare(view, fact, user, postings, Some(order_id), None)?;
        self.carry_out(fact, user, &movement);
        let row = OrderRow::new(order, accepted.terms.max_cost, fact.position, fact.time);
        self.open(fact, row, Note::of(EventType::OrderAccepted, Answers::Cause));
        Ok(())
    }

    fn rejected_by_intake(&mut self, view: &View, fact: &Fact, rejected: &OrderRejected) -> Result<(), Failure> {
        let (terms, reason) = (&rejected.terms, rejected.reason);
        fact.check_by_intake()?;
        self.check_is_new(view, fact, &terms.user_id, &terms.order_id)?;
        let mut row = OrderRow::of_terms(terms, fact.cause, fact.time);
        row.order.close(Step::Rejected).map_err(|unexpected| unappliable(unexpected.to_string()))?;
        row.judged = fact.position.offset;
        let note = Note::of(EventType::OrderRejected, Answers::Cause);
        self.open(fact, row, Note { rejected: Some(reason), reason: Some(Reason::Rejected(reason)), ..note });
        Ok(())
    }

    /// Intake judges every order id once.
    fn check_is_new(&mut self, view: &View, fact: &Fact, user: &UserId, order_id: &OrderId) -> Result<(), Failure> {
        if self.holder(view, fact, user)?.order(view, user, order_id)?.is_some() {
            return Err(unappliable(format!("order {order_id} of {user} was judged before")));
        }
        Ok(())
    }

    fn open(&mut self, fact: &Fact, row: OrderRow, note: Note) {
        let (user, order_id) = (row.order.user_id.clone(), row.order.order_id.clone());
        if let Some(holder) = self.holders.get_mut(&user) {
            holder.orders.insert(order_id.clone(), Box::new(Tracked::new(row, Stored::Nowhere)));
            holder.note(&order_id, None, fact, note);
        }
        self.touch(&user);
    }

    /// An event of an order that was judged before.
    fn order_event(&mut self, view: &View, fact: &Fact, named: Named<'_>, event: &Event) -> Result<bool, Failure> {
        let event_type = event.event_type();
        let note = |answers| Note::of(event_type, answers);
        let by_intake = fact.is_by_intake();
        let nothing = |_: &mut Order| Ok(Postings::default());
        match event {
            Event::OrderFilled(fill) => {
                self.change(view, fact, named, note(Answers::None), Some(fill), |order| order.fill(fill))
            }
            Event::OrderCanceled(_) => {
                let note = note(Answers::Oldest(Request::Cancel));
                self.change(view, fact, named, note, None, |order| order.close(Step::Canceled))
            }
            Event::OrderExpired(expired) => {
                let note = Note { reason: Some(Reason::Expired(expired.reason)), ..note(Answers::None) };
                self.change(view, fact, named, note, None, |order| order.close(Step::Expired))
            }
            Event::OrderRejected(rejected) => {
                let reason = Some(Reason::Rejected(rejected.reason));
                let note = Note { reason, rejected: Some(rejected.reason), ..note(Answers::None) };
                self.change(view, fact, named, note, None, |order| order.close(Step::Rejected))
            }
            Event::AmendAccepted(amend) => {
                let note = note(Answers::Granted(Request::Amend));
                self.change(view, fact, named, note, None, |order| order.amend_accepted(amend))
            }
            Event::OrderAmended(amend) => {
                let note = note(Answers::Oldest(Request::Amend));
                self.change(view, fact, named, note, None, |order| order.amended(amend))
            }
            Event::AmendRejected(amend) if by_intake => {
                let note = note(Answers::Cause).refused(amend.reason);
                self.change_if_known(view, fact, named, note)
            }
            Event::AmendRejected(amend) => {
                let note = Note { rejected: Some(amend.reason), ..note(Answers::Oldest(Request::Amend)) };
                self.change(view, fact, named, note, None, |order| order.amend_rejected(amend))
            }
            Event::CancelAccepted(_) => {
                let note = Note { changes: false, ..note(Answers::Granted(Request::Cancel)) };
                self.change(view, fact, named, note, None, nothing)
            }
            Event::CancelRejected(cancel) => {
                let answers = if by_intake { Answers::Cause } else { Answers::Oldest(Request::Cancel) };
                self.change_if_known(view, fact, named, note(answers).refused(cancel.reason))
            }
            _ => Ok(false),
        }
    }

    /// A refusal that moves nothing; the order may never have existed.
    fn change_if_known(&mut self, view: &View, fact: &Fact, named: Named<'_>, note: Note) -> Result<bool, Failure> {
        let holder = self.holder(view, fact, named.user)?;
        let may_exist = note.rejected != Some(Rejection::UnknownOrder);
        if may_exist && holder.order(view, named.user, named.order_id)?.is_some() {
            holder.note(named.order_id, None, fact, note);
        }
        self.touch(named.user);
        Ok(true)
    }

    fn change(
        &mut self,
        view: &View,
        fact: &Fact,
        named: Named<'_>,
        note: Note,
        fill: Option<&OrderFilled>,
        act: impl FnOnce(&mut Order) -> Result<Postings, Unexpected>,
    ) -> Result<bool, Failure> {
        let Named { user, order_id } = named;
        let wrong =
            |what: &str| unappliable(format!("{} of order {order_id} of {user}: {what}", note.event_type.as_str()));
        let tracked = self.holder(view, fact, user)?.order(view, user, order_id)?;
        let mut order = tracked.ok_or_else(|| wrong("no such order"))?.row.order.clone();
        let postings = act(&mut order).map_err(|unexpected| wrong(&unexpected.to_string()))?;
        let movement = self.prepare(view, fact, user, postings, Some(order_id), fill)?;
        self.carry_out(fact, user, &movement);
        if let Some(holder) = self.holders.get_mut(user) {
            holder.note(order_id, Some(order), fact, note);
        }
        Ok(true)
    }

    /// The user in memory, read back if need be; one that no event named before is begun.
    fn holder(&mut self, view: &View, fact: &Fact, user: &UserId) -> Result<&mut Holder, Failure> {
        let partition = fact.position.partition;
        if !self.holders.contains_key(user) {
            let row = view.reader()?.get_row(&user_key(keys::ACCOUNT, user))?;
            let holder = row.map(Holder::of_row);
            if holder.is_none() {
                self.begun = Some(user.clone());
            }
            self.holders.insert(user.clone(), holder.unwrap_or_else(|| Holder::new(partition)));
            self.present.push_back(user.clone());
        }
        match self.holders.get_mut(user) {
            Some(holder) if holder.row.partition == partition => {
                holder.is_named = true;
                Ok(holder)
            }
            _ => Err(unappliable(format!("{user} has events in another partition than {partition}"))),
        }
    }

    fn prepare(
        &mut self,
        view: &View,
        fact: &Fact,
        user: &UserId,
        postings: Postings,
        order_id: Option<&OrderId>,
        fill: Option<&OrderFilled>,
    ) -> Result<Movement, Failure> {
        let holder = self.holder(view, fact, user)?;
        let (was_active, before) = (holder.has_newest(), holder.newest_bytes());
        let movement = holder.prepare(view, user, fact, postings, order_id, fill)?;
        let (is_active, after) = (holder.has_newest(), holder.newest_bytes());
        self.active_bytes = self.active_bytes.saturating_add(after).saturating_sub(before);
        if !was_active && is_active {
            self.active.push_back(user.clone());
        }
        Ok(movement)
    }

    fn carry_out(&mut self, fact: &Fact, user: &UserId, movement: &Movement) {
        if let Some(holder) = self.holders.get_mut(user) {
            holder.carry_out(user, fact, movement);
        }
        self.touch(user);
        let mut of_system = movement.postings().iter().filter(|posting| !posting.account.is_of_user()).peekable();
        if of_system.peek().is_some() {
            let system = self.system.entry(fact.position.partition).or_default();
            system.changed = true;
            of_system.for_each(|posting| {
                system.row.post(posting);
            });
        }
    }
}

impl Fact {
    /// Whether intake says it, not matching.
    fn is_by_intake(&self) -> bool {
        self.cause.topic == Topic::Orders
    }

    /// An order's number is the offset of its OrderCreated in the user's own partition.
    fn check_by_intake(&self) -> Result<(), Failure> {
        if self.cause.topic_partition() == self.position.topic_partition() {
            return Ok(());
        }
        Err(unappliable(format!("an order's judgement that {} caused", self.cause)))
    }
}

impl Note {
    /// An event that changes the order.
    fn of(event_type: EventType, answers: Answers) -> Note {
        Note { event_type, answers, rejected: None, reason: None, changes: true }
    }

    /// An event that leaves the order as it is.
    fn refused(self, reason: Rejection) -> Note {
        Note { rejected: Some(reason), changes: false, ..self }
    }
}
