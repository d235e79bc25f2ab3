//! Past moments of a user: balances, orders, and what of a journal belongs to them.

use std::collections::BTreeMap;

use orderledger_domain::account::{Balance, LedgerAccount};
use orderledger_domain::event::Event;
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::order::{Order, Step, Unexpected};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys;
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};

use super::super::blocks::PostingEntry;
use super::super::rows::{OrderRow, Reason};
use super::accounts::balances_as_of;
use super::journal::blocks;
use super::orders::{OrdersFilter, StatusFilter, first_placeholders, order_events};
use super::page::{Listing, Page};

/// A past moment of a user's partition of `orders`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// After the record at this offset.
    After(u64),
    /// What had happened by then, whenever it was recorded.
    Happened(Timestamp),
}

/// What a record of an order says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub event: Event,
    /// When it happened.
    pub time: Timestamp,
    /// Whether intake wrote it, not matching.
    pub by_intake: bool,
}

/// Reads the record of an offset of the user's partition.
pub type Tell<'a> = &'a mut dyn FnMut(u64) -> Result<Told, Error>;

impl Past {
    /// Whether what stands there and happened then belongs to the moment.
    pub fn has(self, offset: u64, time: Timestamp) -> bool {
        match self {
            Past::After(last) => offset <= last,
            Past::Happened(by) => time <= by,
        }
    }

    /// The last offset that can belong to the moment.
    pub(super) fn last_of(past: Option<Past>) -> u64 {
        if let Some(Past::After(last)) = past { last } else { u64::MAX }
    }
}

/// A user's balances at a past moment. By offset that is a seek; by what had happened, a pass over the whole journal: such
/// postings may stand anywhere in it, and their sums may even be negative.
pub fn balances_then(reader: &ViewReader, user: &UserId, past: Past) -> Result<BTreeMap<Asset, Balance>, Error> {
    if let Past::After(offset) = past {
        let account = balances_as_of(reader, user, offset)?.map(|balances| balances.account).unwrap_or_default();
        return Ok(account.iter().collect());
    }
    let mut balances: BTreeMap<Asset, Balance> = BTreeMap::new();
    for block in blocks(reader, keys::POSTING_BLOCK, user, None, Direction::Ascending)? {
        for entry in block?.entries.read::<PostingEntry>()? {
            for line in entry.lines.iter().filter(|_| past.has(entry.offset, entry.time)) {
                let balance = balances.entry(line.asset).or_default();
                match line.account {
                    LedgerAccount::Reserved => balance.reserved = balance.reserved.plus(line.change),
                    _ => balance.available = balance.available.plus(line.change),
                }
            }
        }
    }
    Ok(balances)
}

/// An order as it was then; none if it had not been placed. Unless its row is still the one of then, its events are read
/// again: by offset, those up to it; by what had happened, those up to the last one that had.
pub fn order_then(reader: &ViewReader, row: &OrderRow, past: Past, tell: Tell<'_>) -> Result<Option<OrderRow>, Error> {
    let created = row.order.created_offset;
    if past.has(row.changed, row.updated_at) {
        return Ok(Some(row.clone()));
    }
    if created > Past::last_of(Some(past)) {
        return Ok(None);
    }
    let (mut told, mut had) = (Vec::new(), 0_usize);
    for event in order_events(reader, row)? {
        if event.offset > Past::last_of(Some(past)) {
            break;
        }
        let one = tell(event.offset)?;
        let belongs = past.has(event.offset, one.time);
        told.push((event.offset, one));
        if belongs {
            had = told.len();
        }
    }
    told.truncate(had);
    if let Some(((judged, first), rest)) = told.split_first() {
        return fold(row, (*judged, first), rest).map(Some);
    }
    let asked = tell(created)?;
    let Event::OrderCreated(terms) = &asked.event else { return Err(unlike(row, "its first record asks for none")) };
    let placeholder = OrderRow::placeholder(&terms.terms(), row.at(created), asked.time);
    Ok(Some(placeholder).filter(|_| past.has(created, asked.time)))
}

fn unlike(row: &OrderRow, what: &str) -> Error {
    Error::corrupt(At::Frame, format!("order {} of {}: {what}", row.order.order_id, row.order.user_id))
}

/// The order that its first events come to.
fn fold(row: &OrderRow, (judged, first): (u64, &Told), rest: &[(u64, Told)]) -> Result<OrderRow, Error> {
    let wrong = |unexpected: Unexpected| unlike(row, &unexpected.to_string());
    let mut then = match &first.event {
        Event::OrderAccepted(accepted) => {
            let (order, _) = Order::accept(accepted, row.order.created_offset);
            OrderRow::new(order, accepted.terms.max_cost, row.at(judged), first.time)
        }
        Event::OrderRejected(rejected) => {
            let mut then = OrderRow::of_terms(&rejected.terms, row.at(row.order.created_offset), first.time);
            then.order.close(Step::Rejected).map_err(wrong)?;
            then.reason = Some(Reason::Rejected(rejected.reason));
            (then.judged, then.changed) = (judged, judged);
            then
        }
        _ => return Err(unlike(row, "its first event is no judgement")),
    };
    for (offset, told) in rest {
        let changes = match &told.event {
            Event::OrderFilled(fill) => then.order.fill(fill).map(|_| true),
            Event::OrderCanceled(_) => then.order.close(Step::Canceled).map(|_| true),
            Event::OrderExpired(expired) => {
                then.reason = Some(Reason::Expired(expired.reason));
                then.order.close(Step::Expired).map(|_| true)
            }
            Event::OrderRejected(rejected) => {
                then.reason = Some(Reason::Rejected(rejected.reason));
                then.order.close(Step::Rejected).map(|_| true)
            }
            Event::AmendAccepted(amend) => then.order.amend_accepted(amend).map(|_| true),
            Event::OrderAmended(amend) => then.order.amended(amend).map(|_| true),
            Event::AmendRejected(amend) if !told.by_intake => then.order.amend_rejected(amend).map(|_| true),
            _ => Ok(false),
        };
        if changes.map_err(wrong)? {
            (then.changed, then.updated_at) = (*offset, told.time);
        }
    }
    Ok(then)
}

/// A user's orders as they were then. A place is the offset of OrderCreated.
pub fn orders_then(
    reader: &ViewReader,
    user: &UserId,
    filter: &OrdersFilter,
    past: Past,
    page: &Page<u64>,
    tell: Tell<'_>,
) -> Result<Listing<OrderRow, u64>, Error> {
    let any = StatusFilter::Any;
    let placeholders = first_placeholders(reader, any, user)?;
    let last = Past::last_of(Some(past));
    let above = last.saturating_add(1);
    let after = match page.direction {
        Direction::Descending => Some(page.after.map_or(above, |after| after.min(above))).filter(|at| *at < u64::MAX),
        Direction::Ascending => page.after,
    };
    let page = Page { after, ..*page };
    let rows = filter.candidates(reader, any, user, &page);
    let rows = rows.take_while(|row| row.as_ref().map_or(true, |(created, _)| *created <= last));
    page.fill(rows, |created, row| {
        if !filter.wants_terms(&row, created, &placeholders) {
            return Ok(None);
        }
        let then = order_then(reader, &row, past, tell)?;
        Ok(then.filter(|then| filter.status.is(then.order.status)))
    })
}
