//! What names a symbol, wherever it stands: orders of all users, the book's copies, the tape.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::block::StoredRecord;
use super::super::lists::Entries;
use super::super::rows::{self, List, TypeSet};
use super::lookup::give_listed;
use super::visit::Visit;
use super::{PAGE_BLOCKS_MAX, chain_heads, time};

/// Which stretch of a symbol's records; they are ordered by topic, partition and offset, as the log is.
#[derive(Clone, Copy, Debug)]
pub struct SymbolQuery {
    /// Which symbol.
    pub symbol: Symbol,
    /// Recorded at or after it.
    pub from: Option<Timestamp>,
    /// Recorded before it.
    pub to: Option<Timestamp>,
    /// Only these event types.
    pub types: TypeSet,
    /// Ascending is the log's order.
    pub direction: Direction,
    /// Behind this record, in that direction.
    pub after: Option<Position>,
    /// At most so many records.
    pub limit: usize,
}

impl SymbolQuery {
    /// The offsets of a partition that lie behind the cursor.
    fn due(&self, of: TopicPartition) -> (u64, u64) {
        let Some(after) = self.after else { return (0, u64::MAX) };
        match (self.direction, of.cmp(&after.topic_partition())) {
            (Direction::Ascending, std::cmp::Ordering::Equal) => (after.offset.saturating_add(1), u64::MAX),
            (Direction::Descending, std::cmp::Ordering::Equal) => (0, after.offset),
            (Direction::Ascending, std::cmp::Ordering::Less) | (Direction::Descending, std::cmp::Ordering::Greater) => {
                (0, 0)
            }
            _ => (0, u64::MAX),
        }
    }
}

/// Gives the records of a page one by one, up to so many bytes, below that offset of each partition; where the next page
/// begins, if there may be one. A record shares memory with its neighbours.
pub fn visit_symbol(
    reader: &ViewReader,
    query: &SymbolQuery,
    bytes_max: usize,
    below: impl Fn(TopicPartition) -> u64,
    take: impl FnMut(&StoredRecord),
) -> Result<Option<Position>, Error> {
    let mut partitions: Vec<TopicPartition> = chain_heads(reader)?.into_iter().map(|head| head.of).collect();
    if query.direction == Direction::Descending {
        partitions.reverse();
    }
    let (mut visit, mut left) = (Visit::new(query.limit, bytes_max, take), PAGE_BLOCKS_MAX);
    for of in partitions {
        let (low, high) = query.due(of);
        let high = high.min(below(of));
        if low >= high {
            continue;
        }
        let range = time::range(reader, of, (query.from, query.to), (low, high))?;
        let list = rows::list(List::Symbol(query.symbol), of);
        let mut entries = Entries::new(reader, list.as_slice(), range, query.types, query.direction, &mut left);
        if give_listed(reader, None, of, entries.by_ref().map(|entry| entry.map(|(offset, _)| offset)), &mut visit)? {
            return Ok(visit.next);
        }
        if let Some(offset) = entries.stopped_behind() {
            return Ok(Some(of.offset(offset)));
        }
    }
    Ok(None)
}
