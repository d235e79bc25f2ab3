//! Postings and fills out of their blocks.

use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::account::{Balance, LedgerAccount, PostingReason};
use orderledger_domain::ids::{Asset, OrderId, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::keys;
use orderledger_store::views::{Direction, ViewReader};

use super::super::blocks::{BlockRow, FillEntry, PostingEntry, roll};
use super::super::rows::{AccountRow, offset_key, user_key};
use super::page::{Listing, Page};
use super::past::Past;

/// One line of a user's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingRow {
    /// Available or reserved.
    pub account: LedgerAccount,
    /// The asset.
    pub asset: Asset,
    /// A credit above zero, a debit below.
    pub change: Amount,
    /// Why.
    pub reason: PostingReason,
    /// The trade, if the event is a fill.
    pub trade_id: Option<String>,
    /// The order, if the event is an order's.
    pub order_id: Option<OrderId>,
    /// The asset's balance after the line.
    pub balance: Balance,
    /// When the event happened.
    pub time: Timestamp,
    /// Where it stands.
    pub position: Position,
}

/// One leg of one trade, and where OrderFilled stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillRow {
    /// The leg.
    pub fill: FillEntry,
    /// Where OrderFilled stands.
    pub position: Position,
}

/// Which lines of a journal are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostingsFilter {
    /// Of one asset.
    pub asset: Option<Asset>,
    /// For one reason.
    pub reason: Option<PostingReason>,
    /// Those of a past moment.
    pub past: Option<Past>,
}

/// A user's blocks of one kind, beginning with the one that a cursor lies in.
pub(super) fn blocks(
    reader: &ViewReader,
    prefix: u8,
    user: &UserId,
    from: Option<u64>,
    direction: Direction,
) -> Result<impl Iterator<Item = Result<BlockRow, Error>> + use<>, Error> {
    let all = user_key(prefix, user);
    let end = keys::after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
    let at = from.map(|offset| offset_key(prefix, user, offset));
    let range = match (direction, at) {
        (Direction::Descending, Some(at)) => (Bound::Included(all), Bound::Included(at)),
        (Direction::Ascending, Some(at)) => {
            let below = (Bound::Included(all.clone()), Bound::Included(at));
            let begun = reader.scan::<Bytes>(below, Direction::Descending).next().transpose()?;
            (Bound::Included(begun.map_or(all, |(key, _)| key)), end)
        }
        (_, None) => (Bound::Included(all), end),
    };
    Ok(reader.scan_rows::<BlockRow, Bytes>(range, direction).map(|row| row.map(|(_, block)| block)))
}

/// Gives a block's rows in the listing's order.
fn in_order<T>(mut rows: Vec<T>, direction: Direction) -> impl Iterator<Item = T> {
    if direction == Direction::Descending {
        rows.reverse();
    }
    rows.into_iter()
}

/// Errors as rows, so that they reach the listing.
fn flat<T>(rows: Result<impl Iterator<Item = T>, Error>) -> impl Iterator<Item = Result<T, Error>> {
    let (rows, error) = match rows {
        Ok(rows) => (Some(rows), None),
        Err(error) => (None, Some(Err(error))),
    };
    rows.into_iter().flatten().map(Ok).chain(error)
}

/// A user's postings, perhaps of one asset. A place is (offset, line within the event).
pub fn postings(
    reader: &ViewReader,
    user: &UserId,
    asset: Option<Asset>,
    page: &Page<(u64, u32)>,
) -> Result<Listing<PostingRow, (u64, u32)>, Error> {
    postings_where(reader, user, &PostingsFilter { asset, ..PostingsFilter::default() }, page)
}

/// A user's postings of a kind, perhaps as of a past moment.
pub fn postings_where(
    reader: &ViewReader,
    user: &UserId,
    filter: &PostingsFilter,
    page: &Page<(u64, u32)>,
) -> Result<Listing<PostingRow, (u64, u32)>, Error> {
    let Some(account) = reader.get_row::<AccountRow>(&user_key(keys::ACCOUNT, user))? else {
        return Ok(Listing { rows: Vec::new(), next: None });
    };
    let last = Past::last_of(filter.past);
    let from = begin(page.after.map(|(offset, _)| offset), last, page.direction);
    let blocks = blocks(reader, keys::POSTING_BLOCK, user, from, page.direction)?;
    let rows = blocks.flat_map(|block| {
        let rows = block.and_then(|block| posting_rows(block, account.partition));
        flat(rows.map(|rows| in_order(rows, page.direction)))
    });
    let wanted = |row: &PostingRow| {
        filter.asset.is_none_or(|asset| row.asset == asset)
            && filter.reason.is_none_or(|reason| row.reason == reason)
            && filter.past.is_none_or(|past| past.has(row.position.offset, row.time))
    };
    let is_over = |offset: u64| page.direction == Direction::Ascending && offset > last;
    let rows = rows.take_while(|row| row.as_ref().map_or(true, |((offset, _), _)| !is_over(*offset)));
    page.fill(rows, |_, row| Ok(wanted(&row).then_some(row)))
}

/// The offset whose block a listing begins with, where nothing above `last` is wanted.
fn begin(after: Option<u64>, last: u64, direction: Direction) -> Option<u64> {
    match direction {
        Direction::Ascending => after,
        Direction::Descending => Some(after.map_or(last, |after| after.min(last))).filter(|at| *at < u64::MAX),
    }
}

/// A line's place: its event's offset and its number within the event.
type Line = (u64, u32);

fn posting_rows(block: BlockRow, partition: u32) -> Result<Vec<(Line, PostingRow)>, Error> {
    let mut account = block.opening;
    let mut rows = Vec::new();
    for entry in block.entries.read::<PostingEntry>()? {
        let PostingEntry { offset, time, order_id, trade_id, lines } = entry;
        let position = Topic::Orders.at(partition).offset(offset);
        for (number, line) in (0_u32..).zip(lines) {
            let row = PostingRow {
                account: line.account,
                asset: line.asset,
                change: line.change,
                reason: line.reason,
                trade_id: trade_id.clone(),
                order_id: order_id.clone(),
                balance: roll(&mut account, line)?,
                time,
                position,
            };
            rows.push(((offset, number), row));
        }
    }
    Ok(rows)
}

/// A user's fills, perhaps of one order. A place is an offset.
pub fn fills(
    reader: &ViewReader,
    user: &UserId,
    order_id: Option<&OrderId>,
    page: &Page<u64>,
) -> Result<Listing<FillRow, u64>, Error> {
    fills_then(reader, user, order_id, None, page)
}

/// The same, perhaps as of a past moment.
pub fn fills_then(
    reader: &ViewReader,
    user: &UserId,
    order_id: Option<&OrderId>,
    past: Option<Past>,
    page: &Page<u64>,
) -> Result<Listing<FillRow, u64>, Error> {
    let nothing = || Ok(Listing { rows: Vec::new(), next: None });
    let Some(account) = reader.get_row::<AccountRow>(&user_key(keys::ACCOUNT, user))? else { return nothing() };
    let last = Past::last_of(past);
    let mut within = 0..=last;
    if let Some(order_id) = order_id {
        let Some(order) = super::judged_order(reader, user, order_id)? else { return nothing() };
        within = order.order.created_offset..=order.changed.min(last);
    }
    let (begin, bound) = match page.direction {
        Direction::Ascending => (*within.start(), page.after.map(|after| after.max(*within.start()))),
        Direction::Descending => (*within.end(), page.after.map(|after| after.min(*within.end()))),
    };
    let from = bound.or((order_id.is_some() || last < u64::MAX).then_some(begin));
    let blocks = blocks(reader, keys::FILL_BLOCK, user, from, page.direction)?;
    let rows = blocks.flat_map(|block| {
        let fills = block.and_then(|block| block.entries.read::<FillEntry>());
        flat(fills.map(|fills| in_order(fills, page.direction)))
    });
    let outside = |fill: &FillEntry| match page.direction {
        Direction::Ascending => fill.offset > *within.end(),
        Direction::Descending => fill.offset < *within.start(),
    };
    let rows = rows.take_while(|row| row.as_ref().map_or(true, |fill| !outside(fill)));
    let wanted = |fill: &FillEntry| {
        order_id.is_none_or(|id| fill.order_id == *id) && past.is_none_or(|past| past.has(fill.offset, fill.time))
    };
    page.fill(rows.map(|row| row.map(|fill| (fill.offset, fill))), |offset, fill| {
        let position = Topic::Orders.at(account.partition).offset(offset);
        Ok(wanted(&fill).then_some(FillRow { fill, position }))
    })
}
