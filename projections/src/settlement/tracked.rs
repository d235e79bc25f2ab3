//! One order in memory, and how its row follows its events.

use std::collections::VecDeque;

use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::order::Order;
use orderledger_domain::reason::Rejection;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::Changes;

use super::holder::Fact;
use super::rows::{
    EVENTS_PER_BLOCK, OrderEvent, OrderRow, Reason, client_order_prefix, offset_key, order_events_prefix,
    order_index_key,
};

/// Where the view has the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Nowhere,
    Open,
    Closed,
}

/// Requests that go to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Cancel,
    Amend,
}

/// Which request an event answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// None: the book or the clock did it.
    None,
    /// Its cause, finally.
    Cause,
    /// Its cause, which goes on to the book.
    Granted(Request),
    /// The oldest that the book has not answered.
    Oldest(Request),
}

/// What an event says of an order beside its money.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub(super) event_type: EventType,
    pub(super) answers: Answers,
    pub(super) rejected: Option<Rejection>,
    /// Why the order ended.
    pub(super) reason: Option<Reason>,
    /// Whether status, terms, quantities or holdings are others now.
    pub(super) changes: bool,
}

impl OrderRow {
    fn undecided(&mut self, request: Request) -> &mut VecDeque<u64> {
        match request {
            Request::Cancel => &mut self.undecided_cancels,
            Request::Amend => &mut self.undecided_amends,
        }
    }
}

#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) row: OrderRow,
    stored: Stored,
    pub(super) changed: bool,
    /// Blocks of events that are full and not yet in the view.
    full: Vec<Vec<OrderEvent>>,
}

impl Tracked {
    pub(super) fn new(row: OrderRow, stored: Stored) -> Tracked {
        Tracked { row, stored, changed: false, full: Vec::new() }
    }

    /// Whether it was closed, and read back, and no event changed it since.
    pub(super) fn is_as_read_back(&self) -> bool {
        self.stored == Stored::Closed && !self.changed
    }

    pub(super) fn note(&mut self, order: Option<Order>, fact: &Fact, note: Note) {
        let row = &mut self.row;
        if let Some(order) = order {
            row.order = order;
        }
        let cause = fact.cause.offset;
        let request = match note.answers {
            Answers::None => None,
            Answers::Cause => Some(cause),
            Answers::Granted(request) => {
                row.undecided(request).push_back(cause);
                Some(cause)
            }
            Answers::Oldest(request) => row.undecided(request).pop_front(),
        };
        let offset = fact.position.offset;
        if row.events.len() >= EVENTS_PER_BLOCK {
            self.full.push(std::mem::take(&mut row.events));
        }
        row.events.push(OrderEvent { offset, event_type: note.event_type, request, rejected: note.rejected });
        if note.changes {
            row.changed = offset;
            row.updated_at = fact.time;
        }
        if note.reason.is_some() {
            row.reason = note.reason;
        }
    }

    pub(super) fn write_rows(&mut self, user: &UserId, changes: &mut Changes) -> Result<(), Error> {
        let created = self.row.order.created_offset;
        for block in self.full.drain(..) {
            let first = block.first().map_or(0, |event| event.offset);
            changes.put_row(order_events_prefix(user, created).u64(first).build(), &block)?;
        }
        if self.stored == Stored::Nowhere {
            changes.put_row(order_index_key(&self.row.order.order_id, user), &created)?;
            if let Some(name) = &self.row.order.client_order_id {
                changes.put_row(client_order_prefix(user, name).u64(created).build(), &())?;
            }
        }
        let open_key = offset_key(keys::OPEN_ORDER, user, created);
        if self.row.order.status.is_open() {
            changes.put_row(open_key, &self.row)?;
            self.stored = Stored::Open;
        } else {
            if self.stored == Stored::Open {
                changes.delete(open_key);
            }
            changes.put_row(offset_key(keys::CLOSED_ORDER, user, created), &self.row)?;
            self.stored = Stored::Closed;
        }
        self.changed = false;
        Ok(())
    }
}
