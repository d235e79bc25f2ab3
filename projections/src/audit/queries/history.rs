//! The full history of a user, and of one of the user's orders.

use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::block::StoredRecord;
use super::super::lists::{Entries, Named};
use super::super::rows::{self, List, TypeSet};
use super::lookup::give_listed;
use super::recent::Recent;
use super::visit::Visit;
use super::{PAGE_BLOCKS_MAX, PAGE_BYTES_MAX, time};

/// A page of what names a symbol looks at no more of the user's records than this; it may then hold fewer than asked for, and
/// say where to go on.
const PAGE_ENTRIES_MAX: usize = if cfg!(test) { 3 } else { 1 << 16 };

/// Which stretch of whose history.
#[derive(Clone, Copy, Debug)]
pub struct HistoryQuery<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Only what names this order of the user.
    pub order: Option<&'a OrderId>,
    /// How many partitions every topic has.
    pub partitions: u32,
    /// Recorded at or after it.
    pub from: Option<Timestamp>,
    /// Recorded before it.
    pub to: Option<Timestamp>,
    /// Only these event types.
    pub types: TypeSet,
    /// Only what names this symbol.
    pub symbol: Option<Symbol>,
    /// Only below this offset.
    pub below: u64,
    /// Ascending is the log's order.
    pub direction: Direction,
    /// Behind this offset, in that direction: [`HistoryPage::next`] of the page before.
    pub after: Option<u64>,
    /// At most so many records.
    pub limit: usize,
    /// Where records that were asked for lately are kept.
    pub recent: Option<&'a Recent>,
}

impl<'a> HistoryQuery<'a> {
    /// The newest records of a user, of all types and times.
    pub const fn of_user(user: &'a UserId, partitions: u32, limit: usize) -> HistoryQuery<'a> {
        HistoryQuery {
            user,
            order: None,
            partitions,
            from: None,
            to: None,
            types: TypeSet::ALL,
            symbol: None,
            below: u64::MAX,
            direction: Direction::Descending,
            after: None,
            limit,
            recent: None,
        }
    }

    fn partition(&self) -> TopicPartition {
        Topic::Orders.at(partition::of_key(self.user.as_str().as_bytes(), self.partitions))
    }
}

/// A stretch of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The user's own partition, where all of it stands.
    pub of: TopicPartition,
    /// The records, byte for byte.
    pub records: Vec<StoredRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// Whether any record of `orders` has the user's key in the user's partition.
pub fn has_history(reader: &ViewReader, user: &UserId, partitions: u32) -> Result<bool, Error> {
    let of = HistoryQuery::of_user(user, partitions, 1).partition();
    let open = rows::list_block(rows::list(List::User(user), of).as_slice(), rows::OPEN);
    Ok(reader.get(&open)?.is_some())
}

/// A page of a history.
pub fn history(reader: &ViewReader, query: &HistoryQuery<'_>) -> Result<HistoryPage, Error> {
    let mut records = Vec::new();
    let next = visit_history(reader, query, PAGE_BYTES_MAX, |record| records.push(record.clone().detached()))?;
    Ok(HistoryPage { of: query.partition(), records, next })
}

/// Gives the records of a page one by one, up to so many bytes; where the next page begins, if there may be one. A record
/// shares memory with its neighbours.
pub fn visit_history(
    reader: &ViewReader,
    query: &HistoryQuery<'_>,
    bytes_max: usize,
    take: impl FnMut(&StoredRecord),
) -> Result<Option<u64>, Error> {
    let of = query.partition();
    let beyond = match (query.direction, query.after) {
        (_, None) => (0, query.below),
        (Direction::Ascending, Some(after)) => (after.saturating_add(1), query.below),
        (Direction::Descending, Some(after)) => (0, after.min(query.below)),
    };
    let range = time::range(reader, of, (query.from, query.to), beyond)?;
    let list = match query.order {
        None => List::User(query.user),
        Some(order) => List::Order(query.user, order),
    };
    let (list, mut left) = (rows::list(list, of), PAGE_BLOCKS_MAX);
    let mut entries = Entries::new(reader, list.as_slice(), range, query.types, query.direction, &mut left);
    let mut named = query.symbol.map(|symbol| Named::new(reader, rows::list(List::Symbol(symbol), of)));
    let (mut looked_at, mut passed, mut is_stopped) = (0_usize, None, false);
    let due = std::iter::from_fn(|| {
        loop {
            let offset = match entries.next()? {
                Ok((offset, _)) => offset,
                Err(error) => return Some(Err(error)),
            };
            let Some(named) = &mut named else { return Some(Ok(offset)) };
            is_stopped = looked_at >= PAGE_ENTRIES_MAX;
            if is_stopped {
                return None;
            }
            (looked_at, passed) = (looked_at.saturating_add(1), Some(offset));
            match named.has(offset) {
                Ok(true) => return Some(Ok(offset)),
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    });
    let mut visit = Visit::new(query.limit, bytes_max, take);
    let is_full = give_listed(reader, query.recent, of, due, &mut visit)?;
    let last = visit.next.map(|next| next.offset);
    let stopped = if is_stopped { passed } else { entries.stopped_behind() };
    Ok(if is_full { last } else { stopped })
}

/// How many records of these types a user's list has from an offset on; counts no further than `max`.
pub fn history_count(reader: &ViewReader, query: &HistoryQuery<'_>, from: u64, max: usize) -> Result<usize, Error> {
    let (list, mut left) = (rows::list(List::User(query.user), query.partition()), usize::MAX);
    let range = (from, u64::MAX);
    let mut entries = Entries::new(reader, list.as_slice(), range, query.types, Direction::Ascending, &mut left);
    entries.by_ref().take(max).try_fold(0_usize, |count, entry| entry.map(|_| count.saturating_add(1)))
}
