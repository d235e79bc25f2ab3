//! `orders:{userId}`: the order's row after every event that changed it, in the order of the log. Its index is the offset.
//!
//! The audit trail says which events there are, settlement which of them it applied. What stands behind a parked account's head
//! comes once it is released.

use std::collections::HashMap;

use orderledger_domain::entity::Entity;
use orderledger_domain::envelope::{self, Envelope};
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::audit::queries::{HistoryQuery, history, history_count, record};
use orderledger_projections::audit::{StoredRecord, TypeSet};
use orderledger_projections::parking::queries::parked;
use orderledger_projections::settlement::past;
use orderledger_projections::settlement::queries::{order, order_events};
use orderledger_projections::settlement::rows::OrderRow;
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::channel::Channel;
use super::hub::{Past, Stretch};
use super::look::Look;
use super::message::Message;
use crate::rows;

/// So many orders are remembered between two stretches; of others the row is made again from their events.
const REMEMBERED_MAX: usize = 1000;

/// The events that change an order.
const TYPES: [EventType; 8] = [
    EventType::OrderAccepted,
    EventType::OrderRejected,
    EventType::OrderFilled,
    EventType::OrderCanceled,
    EventType::OrderExpired,
    EventType::AmendAccepted,
    EventType::OrderAmended,
    EventType::AmendRejected,
];

/// The orders of one account.
pub(super) struct Orders {
    user: UserId,
    home: TopicPartition,
    partitions: u32,
    known: HashMap<OrderId, Known>,
}

/// One order as far as it was read.
#[derive(Default)]
struct Known {
    row: Option<OrderRow>,
    /// Where the events stand that settlement applied, oldest first, as it was last asked.
    applied: Vec<u64>,
}

impl Orders {
    pub(super) fn new(user: UserId, home: TopicPartition, partitions: u32) -> Orders {
        Orders { user, home, partitions, known: HashMap::new() }
    }

    fn query(&self, after: Option<u64>, limit: usize) -> HistoryQuery<'_> {
        let types: TypeSet = TYPES.into_iter().collect();
        let of_user = HistoryQuery::of_user(&self.user, self.partitions, limit);
        HistoryQuery { types, direction: Direction::Ascending, after, ..of_user }
    }

    /// The row after that record, if it is an event that changed an order.
    fn row_after(&mut self, look: &Look<'_>, record: &StoredRecord) -> Result<Option<rows::OrderRow>, Error> {
        let Some((envelope, order_id)) = read(record) else { return Ok(None) };
        let offset = record.position.offset;
        let mut known = match self.known.remove(&order_id) {
            Some(known) if known.applied.last() >= Some(&offset) => known,
            Some(known) => Known { applied: self.applied(look, &order_id)?, ..known },
            None => self.known_before(look, &order_id, offset)?,
        };
        let mut changed = None;
        if known.applied.binary_search(&offset).is_ok() {
            changed = past::after(known.row.as_ref(), record.position, &envelope)?;
        }
        let row = changed.as_ref().map(rows::OrderRow::from);
        known.row = changed.or(known.row);
        let is_open = known.row.as_ref().is_some_and(|row| row.order.status.is_open());
        if is_open && self.known.len() < REMEMBERED_MAX {
            self.known.insert(order_id, known);
        }
        Ok(row)
    }

    /// An order as it was before that offset.
    fn known_before(&self, look: &Look<'_>, order_id: &OrderId, offset: u64) -> Result<Known, Error> {
        let applied = self.applied(look, order_id)?;
        let mut row = None;
        for earlier in applied.iter().take_while(|earlier| **earlier < offset) {
            let at = self.home.offset(*earlier);
            let missing = || Error::corrupt(at, "settlement applied a record that the audit trail does not have");
            let record = record(&look.audit()?.reader, at)?.ok_or_else(missing)?;
            if let Some((envelope, _)) = read(&record) {
                row = past::after(row.as_ref(), at, &envelope)?.or(row);
            }
        }
        Ok(Known { row, applied })
    }

    fn applied(&self, look: &Look<'_>, order_id: &OrderId) -> Result<Vec<u64>, Error> {
        let reader = &look.settlement()?.reader;
        let Some(row) = order(reader, &self.user, order_id)? else { return Ok(Vec::new()) };
        Ok(order_events(reader, &row)?.into_iter().map(|event| event.offset).collect())
    }
}

fn read(record: &StoredRecord) -> Option<(Envelope, OrderId)> {
    let envelope = envelope::read(record.value.as_deref()).ok()?;
    let order_id = envelope.event.as_ref().ok()?.order_id()?.clone();
    Some((envelope, order_id))
}

impl Past for Orders {
    fn end(&mut self, look: &Look<'_>) -> Result<u64, Error> {
        let (settlement, audit) = (look.settlement()?, look.audit()?);
        let head = parked(&settlement.reader, &Entity::User(self.user.clone()))?.map(|parked| parked.row.head.offset);
        let applied = settlement.next_offset(self.home).min(head.unwrap_or(u64::MAX));
        Ok(applied.min(audit.next_offset(self.home)))
    }

    fn behind(&mut self, _look: &Look<'_>, place: Position) -> Result<u64, Error> {
        Ok(place.offset.saturating_add(1))
    }

    fn place_before(&mut self, _look: &Look<'_>, index: u64) -> Result<Option<Position>, Error> {
        Ok(index.checked_sub(1).map(|offset| self.home.offset(offset)))
    }

    fn count(&mut self, look: &Look<'_>, from: u64, max: usize) -> Result<usize, Error> {
        history_count(&look.audit()?.reader, &self.query(None, 1), from, max)
    }

    fn read(&mut self, look: &Look<'_>, from: u64, to: u64, limit: usize) -> Result<Stretch, Error> {
        let page = history(&look.audit()?.reader, &self.query(from.checked_sub(1), limit))?;
        let next = page.next.map_or(to, |last| last.saturating_add(1).min(to));
        let mut messages = Vec::new();
        for record in page.records.iter().filter(|record| record.position.offset < to) {
            if let Some(row) = self.row_after(look, record)? {
                messages.extend(Message::new(&Channel::Orders(self.user.clone()), &row, Some(record.position)));
            }
        }
        Ok(Stretch { messages, next })
    }
}
