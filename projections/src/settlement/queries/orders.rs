//! Orders: open, closed, and placeholders of those that intake has not judged yet.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{ClientOrderId, OrderId, Symbol, UserId};
use orderledger_domain::order::Status;
use orderledger_domain::reason::Rejection;
use orderledger_store::Error;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::views::{Direction, ViewReader};
use serde::de::DeserializeOwned;

use super::super::rows::{OrderEvent, OrderRow, offset_key, order_events_prefix, order_index_key, user_key};
use super::super::user_of;
use super::page::{Listing, Page};

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
    fn wants(&self, row: &OrderRow) -> bool {
        let order = &row.order;
        let status = if let StatusFilter::Is(status) = self.status { order.status == status } else { true };
        let client = self.client_order_id.as_ref().is_none_or(|id| order.client_order_id.as_ref() == Some(id));
        status && client && self.symbol.is_none_or(|symbol| order.symbol == symbol)
    }
}

/// A user's orders. A place is the offset of OrderCreated.
pub fn orders(
    reader: &ViewReader,
    user: &UserId,
    filter: &OrdersFilter,
    page: &Page<u64>,
) -> Result<Listing<OrderRow, u64>, Error> {
    let counting = first_placeholders(reader, filter.status, user)?;
    let rows = merged::<OrderRow>(reader, filter.status.prefixes(), user, page);
    page.fill(rows.filter(|row| {
        let Ok((created, row)) = row else { return true };
        let shadowed = row.order.status == Status::PendingNew
            && counting.get(&row.order.order_id).is_none_or(|first| first != created);
        filter.wants(row) && !shadowed
    }))
}

/// The placeholders that count: the first of each id that was not used before. Intake will refuse the others.
fn first_placeholders(
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

type Rows<T> = Box<dyn Iterator<Item = Result<(u64, T), Error>>>;

/// A user's rows of several prefixes in the order of their offsets, from the page's cursor on.
pub(super) fn merged<T: DeserializeOwned + 'static>(
    reader: &ViewReader,
    prefixes: &[u8],
    user: &UserId,
    page: &Page<u64>,
) -> impl Iterator<Item = Result<(u64, T), Error>> + use<T> {
    let mut scans: Vec<Peekable<Rows<T>>> =
        prefixes.iter().map(|prefix| scan(reader, *prefix, user, page).peekable()).collect();
    let direction = page.direction;
    std::iter::from_fn(move || {
        let due = |row: &Result<(u64, T), Error>| row.as_ref().map_or(None, |(offset, _)| Some(*offset));
        let mut best: Option<(usize, Option<u64>)> = None;
        for (index, scan) in scans.iter_mut().enumerate() {
            let Some(offset) = scan.peek().map(due) else { continue };
            // An error has no offset and comes first.
            let sooner = best.is_none_or(|(_, other)| match (offset, other, direction) {
                (_, None, _) => false,
                (None, ..) => true,
                (Some(offset), Some(other), Direction::Ascending) => offset < other,
                (Some(offset), Some(other), Direction::Descending) => offset > other,
            });
            if sooner {
                best = Some((index, offset));
            }
        }
        best.and_then(|(index, _)| scans.get_mut(index)).and_then(Iterator::next)
    })
}

fn scan<T: DeserializeOwned + 'static>(reader: &ViewReader, prefix: u8, user: &UserId, page: &Page<u64>) -> Rows<T> {
    let all = user_key(prefix, user);
    let end = keys::after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
    let at = page.after.map(|offset| Bound::Excluded(offset_key(prefix, user, offset)));
    let range = match page.direction {
        Direction::Ascending => (at.unwrap_or(Bound::Included(all)), end),
        Direction::Descending => (Bound::Included(all), at.unwrap_or(end)),
    };
    let rows = reader.scan_rows::<T, Bytes>(range, page.direction).map(move |row| {
        let (key, row) = row?;
        let mut fields = KeyReader::new(prefix, &key)?;
        fields.name()?;
        Ok((fields.u64()?, row))
    });
    Box::new(rows)
}
