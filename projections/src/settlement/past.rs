//! What an order's row was right after each of its events, made again from the events themselves.
//!
//! A view holds the newest row alone. The fold of the view checks an event against the account and books it; here it is known
//! to have been booked, and the order's own part of it is enough.

use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::{Event, OrderAccepted, OrderRejected};
use orderledger_domain::order::{Order, Step, Unexpected};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;

use super::rows::{OrderRow, Reason};

/// The row after an event that settlement applied, from the row before it; none if the event doesn't change an order.
/// The row's list of events, and of requests that the book has not answered, stay empty.
pub fn after(row: Option<&OrderRow>, position: Position, envelope: &Envelope) -> Result<Option<OrderRow>, Error> {
    let (Ok(event), Some(stamp)) = (&envelope.event, envelope.stamp) else { return Ok(None) };
    let (cause, time) = (stamp.cause.position, envelope.timestamp);
    match event {
        Event::OrderAccepted(accepted) => Ok(Some(accepted_at(accepted, position, cause, time))),
        Event::OrderRejected(rejected) if cause.topic == Topic::Orders => {
            rejected_at(rejected, position, cause, time).map(Some).map_err(|unexpected| wrong(position, &unexpected))
        }
        _ => {
            let mut order = match row {
                Some(row) => row.clone(),
                None if changes(event, cause) => return Err(without_order(position)),
                None => return Ok(None),
            };
            let changed = change(&mut order, event, cause).map_err(|unexpected| wrong(position, &unexpected))?;
            (order.changed, order.updated_at) = (position.offset, time);
            Ok(changed.then_some(order))
        }
    }
}

fn accepted_at(accepted: &OrderAccepted, position: Position, cause: Position, time: Timestamp) -> OrderRow {
    let (order, _) = Order::accept(accepted, cause.offset);
    OrderRow::new(order, accepted.terms.max_cost, position, time)
}

fn rejected_at(
    rejected: &OrderRejected,
    position: Position,
    cause: Position,
    time: Timestamp,
) -> Result<OrderRow, Unexpected> {
    let mut row = OrderRow::of_terms(&rejected.terms, cause, time);
    row.order.close(Step::Rejected)?;
    (row.judged, row.changed) = (position.offset, position.offset);
    row.reason = Some(Reason::Rejected(rejected.reason));
    Ok(row)
}

/// Whether such an event, caused there, changes an order that exists.
fn changes(event: &Event, cause: Position) -> bool {
    match event {
        Event::OrderFilled(_)
        | Event::OrderCanceled(_)
        | Event::OrderExpired(_)
        | Event::OrderRejected(_)
        | Event::AmendAccepted(_)
        | Event::OrderAmended(_) => true,
        // Intake's refusal leaves the order as it is; the book's gives back what was reserved for the amend.
        Event::AmendRejected(_) => cause.topic != Topic::Orders,
        _ => false,
    }
}

fn change(row: &mut OrderRow, event: &Event, cause: Position) -> Result<bool, Unexpected> {
    if !changes(event, cause) {
        return Ok(false);
    }
    match event {
        Event::OrderFilled(fill) => row.order.fill(fill)?,
        Event::OrderCanceled(_) => row.order.close(Step::Canceled)?,
        Event::OrderExpired(expired) => {
            row.reason = Some(Reason::Expired(expired.reason));
            row.order.close(Step::Expired)?
        }
        Event::OrderRejected(rejected) => {
            row.reason = Some(Reason::Rejected(rejected.reason));
            row.order.close(Step::Rejected)?
        }
        Event::AmendAccepted(amend) => row.order.amend_accepted(amend)?,
        Event::OrderAmended(amend) => row.order.amended(amend)?,
        Event::AmendRejected(amend) => row.order.amend_rejected(amend)?,
        _ => return Ok(false),
    };
    Ok(true)
}

fn wrong(position: Position, unexpected: &Unexpected) -> Error {
    Error::corrupt(position, format!("an event that was applied can't be applied again: {unexpected}"))
}

fn without_order(position: Position) -> Error {
    Error::corrupt(position, "an event that was applied, of an order that no earlier event begins")
}
