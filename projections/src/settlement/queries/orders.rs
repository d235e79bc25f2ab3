//! Orders: open, closed, and placeholders of those that intake has not judged yet.

use std::collections::BTreeMap;

use orderledger_domain::event::EventType;
use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::reason::Rejection;
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::views::{Direction, ViewReader};

use super::super::rows::{OrderEvent, OrderRow, offset_key, order_events_prefix, order_index_key, user_key};
use super::super::user_of;
use super::page::{Listing, Page};
use super::walk::{Rows, merge, of_name, rows};

/// Which statuses a listing wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFilter {
    /// All.
    #[default]
    Any,
    /// pending_new, new, partially_filled.
    Open,
    /// All others.
    Closed,
    /// One.
    Is(Status),
}

impl StatusFilter {
    /// The rows among which such orders are.
    fn prefixes(self) -> &'static [u8] {
        match self {
            StatusFilter::Any => &[keys::OPEN_ORDER, keys::CLOSED_ORDER, keys::PENDING_ORDER],
            StatusFilter::Open => &[keys::OPEN_ORDER, keys::PENDING_ORDER],
            StatusFilter::Is(Status::PendingNew) => &[keys::PENDING_ORDER],
            StatusFilter::Is(status) if status.is_open() => &[keys::OPEN_ORDER],
            StatusFilter::Closed | StatusFilter::Is(_) => &[keys::CLOSED_ORDER],
        }
    }

    /// Whether it wants orders of that status.
    pub(super) fn is(self, status: Status) -> bool {
        match self {
            StatusFilter::Any => true,
            StatusFilter::Open => status.is_open(),
            StatusFilter::Closed => !status.is_open(),
            StatusFilter::Is(one) => status == one,
        }
    }
}

/// Which orders a listing wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrdersFilter {
    /// By status.
    pub status: StatusFilter,
    /// By symbol.
    pub symbol: Option<Symbol>,
    /// By the client's own name.
    pub client_order_id: Option<ClientOrderId>,
}

impl OrdersFilter {
    /// Whether an order fits in what never changes of it.
    fn wants_for_ever(&self, row: &OrderRow) -> bool {
        let order = &row.order;
        let client = self.client_order_id.as_ref().is_none_or(|id| order.client_order_id.as_ref() == Some(id));
        client && self.symbol.is_none_or(|symbol| order.symbol == symbol)
    }

    /// The same of a row of any kind: of placeholders only those count that intake will judge as orders of their own.
    pub(super) fn wants_terms(&self, row: &OrderRow, created: u64, first: &BTreeMap<OrderId, u64>) -> bool {
        let counts = row.order.status != Status::PendingNew || first.get(&row.order.order_id) == Some(&created);
        counts && self.wants_for_ever(row)
    }

    /// The rows among which orders are that have such a status, from the page's cursor on: those of the client's name, if one
    /// is wanted, else all of the user's.
    pub(super) fn candidates(
        &self,
        reader: &ViewReader,
        status: StatusFilter,
        user: &UserId,
        page: &Page<u64>,
    ) -> impl Iterator<Item = Result<(u64, OrderRow), Error>> + use<> {
        let prefixes = status.prefixes().iter();
        let scans: Vec<Rows<OrderRow>> = match &self.client_order_id {
            None => prefixes.map(|prefix| rows(reader, *prefix, user, page)).collect(),
            Some(name) => {
                // A placeholder has no name in the index: there are few.
                let pending = prefixes.filter(|prefix| **prefix == keys::PENDING_ORDER);
                let pending = pending.map(|prefix| rows(reader, *prefix, user, page));
                pending.chain([of_name(reader, user, name, page)]).collect()
            }
        };
        merge(scans, page.direction)
    }
}

/// A user's orders. A place is the offset of OrderCreated.
pub fn orders(
    reader: &ViewReader,
    user: &UserId,
    filter: &OrdersFilter,
    page: &Page<u64>,
) -> Result<Listing<OrderRow, u64>, Error> {
    let placeholders = first_placeholders(reader, filter.status, user)?;
    page.fill(filter.candidates(reader, filter.status, user, page), |created, row| {
        let wanted = filter.status.is(row.order.status) && filter.wants_terms(&row, created, &placeholders);
        Ok(wanted.then_some(row))
    })
}

/// The placeholders that count: the first of each id that was not used before. Intake will refuse the others.
pub(super) fn first_placeholders(
    reader: &ViewReader,
    status: StatusFilter,
    user: &UserId,
) -> Result<BTreeMap<OrderId, u64>, Error> {
    let mut first = BTreeMap::new();
    if status.prefixes().contains(&keys::PENDING_ORDER) {
        let prefix = user_key(keys::PENDING_ORDER, user);
        for row in reader.scan_prefix_rows::<OrderRow>(&prefix, Direction::Ascending) {
            let order = row?.1.order;
            if !first.contains_key(&order.order_id) && reader.get(&order_index_key(&order.order_id, user))?.is_none() {
                first.insert(order.order_id, order.created_offset);
            }
        }
    }
    Ok(first)
}

/// A user's order of that id.
pub fn order(reader: &ViewReader, user: &UserId, order_id: &OrderId) -> Result<Option<OrderRow>, Error> {
    match judged_order(reader, user, order_id)? {
        Some(row) => Ok(Some(row)),
        None => first_placeholder(reader, user, order_id),
    }
}

/// A user's order of that id, if intake has judged it.
pub(crate) fn judged_order(reader: &ViewReader, user: &UserId, order_id: &OrderId) -> Result<Option<OrderRow>, Error> {
    let Some(created) = reader.get_row::<u64>(&order_index_key(order_id, user))? else { return Ok(None) };
    judged_at(reader, user, created)
}

/// A user's judged order whose OrderCreated stands there.
pub(super) fn judged_at(reader: &ViewReader, user: &UserId, created: u64) -> Result<Option<OrderRow>, Error> {
    match reader.get_row(&offset_key(keys::OPEN_ORDER, user, created))? {
        Some(row) => Ok(Some(row)),
        None => reader.get_row(&offset_key(keys::CLOSED_ORDER, user, created)),
    }
}

fn first_placeholder(reader: &ViewReader, user: &UserId, order_id: &OrderId) -> Result<Option<OrderRow>, Error> {
    let prefix = user_key(keys::PENDING_ORDER, user);
    for row in reader.scan_prefix_rows::<OrderRow>(&prefix, Direction::Ascending) {
        let (_, row) = row?;
        if row.order.order_id == *order_id {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Every user's judged order of that id, by user.
pub fn orders_by_id(reader: &ViewReader, order_id: &OrderId) -> Result<Vec<OrderRow>, Error> {
    let prefix = KeyBuilder::new(keys::ORDER_INDEX).name(order_id.as_str()).build();
    let mut orders = Vec::new();
    for row in reader.scan_prefix(&prefix, Direction::Ascending) {
        let (key, _) = row?;
        let mut fields = KeyReader::new(keys::ORDER_INDEX, &key)?;
        fields.name()?;
        orders.extend(judged_order(reader, &user_of(&fields.name()?)?, order_id)?);
    }
    Ok(orders)
}

/// Every order that is open in the view, judged ones alone, by user.
pub fn open_orders(reader: &ViewReader) -> impl Iterator<Item = Result<OrderRow, Error>> + use<> {
    reader.scan_prefix_rows::<OrderRow>(&[keys::OPEN_ORDER], Direction::Ascending).map(|row| row.map(|(_, row)| row))
}

/// All derived events of an order, oldest first.
pub fn order_events(reader: &ViewReader, row: &OrderRow) -> Result<Vec<OrderEvent>, Error> {
    let prefix = order_events_prefix(&row.order.user_id, row.order.created_offset).build();
    let mut events = Vec::new();
    for block in reader.scan_prefix_rows::<Vec<OrderEvent>>(&prefix, Direction::Ascending) {
        events.extend(block?.1);
    }
    events.extend_from_slice(&row.events);
    Ok(events)
}

/// What became of a request to cancel or amend an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    /// The newest event that answers it.
    pub event: OrderEvent,
    /// Whether that answer is final; else the request is on its way to the book.
    pub is_final: bool,
}

impl RequestOutcome {
    /// Why the request had no effect, if it had none.
    pub const fn rejected(&self) -> Option<Rejection> {
        self.event.rejected
    }
}

/// What became of the request at `requested` of the user's partition; none if nothing answers it yet.
pub fn request_outcome(reader: &ViewReader, row: &OrderRow, requested: u64) -> Result<Option<RequestOutcome>, Error> {
    let events = order_events(reader, row)?;
    let newest = events.into_iter().rev().find(|event| event.request == Some(requested));
    Ok(newest.map(|event| {
        let granted = matches!(event.event_type, EventType::CancelAccepted | EventType::AmendAccepted);
        RequestOutcome { event, is_final: !granted }
    }))
}
