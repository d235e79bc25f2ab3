//! The full history of a user, and of one of the user's orders.

use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::block::StoredRecord;
use super::super::lists::Entries;
use super::super::rows::{self, List, TypeSet};
use super::{PAGE_BYTES_MAX, RecordLookup, time};

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
    /// Ascending is the log's order.
    pub direction: Direction,
    /// Behind this offset, in that direction: [`HistoryPage::next`] of the page before.
    pub after: Option<u64>,
    /// At most so many records.
    pub limit: usize,
}

impl<'a> HistoryQuery<'a> {
    /// The newest records of a user, of all types and times.
    pub const fn of_user(user: &'a UserId, partitions: u32, limit: usize) -> HistoryQuery<'a> {
        let (order, from, to, types, after) = (None, None, None, TypeSet::ALL, None);
        HistoryQuery { user, order, partitions, from, to, types, direction: Direction::Descending, after, limit }
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
    let open = rows::list_block(&rows::list(List::User(user), of), rows::OPEN);
    Ok(reader.get(&open)?.is_some())
}

/// A page of a history.
pub fn history(reader: &ViewReader, query: &HistoryQuery<'_>) -> Result<HistoryPage, Error> {
    let of = query.partition();
    let beyond = match (query.direction, query.after) {
        (_, None) => (0, u64::MAX),
        (Direction::Ascending, Some(after)) => (after.saturating_add(1), u64::MAX),
        (Direction::Descending, Some(after)) => (0, after),
    };
    let range = time::range(reader, of, (query.from, query.to), beyond)?;
    let list = match query.order {
        None => List::User(query.user),
        Some(order) => List::Order(query.user, order),
    };
    let mut entries = Entries::new(reader, &rows::list(list, of), range, query.types, query.direction);
    let mut page = HistoryPage { of, records: Vec::new(), next: None };
    let (mut lookup, mut bytes) = (RecordLookup::new(reader), 0_usize);
    while let Some((offset, _)) = entries.next().transpose()? {
        if page.records.len() >= query.limit || bytes >= PAGE_BYTES_MAX {
            page.next = page.records.last().map(|record| record.position.offset);
            break;
        }
        let record = lookup.listed(of.offset(offset))?;
        bytes = bytes.saturating_add(record.size());
        page.records.push(record);
    }
    Ok(page)
}
