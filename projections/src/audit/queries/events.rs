//! The log itself, in its own order: by topic, partition, offset.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::block::{Blocks, StoredRecord};
use super::super::lists::Entries;
use super::super::rows::{self, List};
use super::lookup::give_listed;
use super::visit::Visit;
use super::wanted::Types;
use super::{PAGE_BLOCKS_MAX, PAGE_BYTES_MAX, chain_heads, time};

/// Which records of the log.
#[derive(Clone, Copy, Debug)]
pub struct EventsQuery {
    /// Only this topic.
    pub topic: Option<Topic>,
    /// Only this partition.
    pub partition: Option<u32>,
    /// From this offset of each partition on.
    pub from: u64,
    /// Only what names this symbol.
    pub symbol: Option<Symbol>,
    /// Only these types.
    pub types: Types,
    /// Recorded at or after it.
    pub since: Option<Timestamp>,
    /// Recorded before it.
    pub until: Option<Timestamp>,
    /// Behind this record: [`EventsPage::next`] of the page before.
    pub after: Option<Position>,
    /// At most so many records.
    pub limit: usize,
}

impl EventsQuery {
    /// Every record from the beginning.
    pub const fn all(limit: usize) -> EventsQuery {
        let (topic, partition, from, symbol, types) = (None, None, 0, None, Types::ALL);
        EventsQuery { topic, partition, from, symbol, types, since: None, until: None, after: None, limit }
    }

    fn wants(&self, of: TopicPartition) -> bool {
        self.topic.is_none_or(|topic| topic == of.topic)
            && self.partition.is_none_or(|partition| partition == of.partition)
            && self.after.is_none_or(|after| after.topic_partition() <= of)
    }

    fn first_offset(&self, of: TopicPartition) -> u64 {
        let after = self.after.filter(|after| after.topic_partition() == of);
        after.map_or(0, |after| after.offset.saturating_add(1)).max(self.from)
    }
}

/// A stretch of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventsPage {
    /// The records, byte for byte, by topic, partition and offset.
    pub records: Vec<StoredRecord>,
    /// Where the next page begins, if there may be one.
    pub next: Option<Position>,
}

/// A page of the log.
pub fn events(reader: &ViewReader, query: &EventsQuery) -> Result<EventsPage, Error> {
    let mut records = Vec::new();
    let keep = |record: &StoredRecord| records.push(record.clone().detached());
    let next = visit_events(reader, query, PAGE_BYTES_MAX, |_| u64::MAX, keep)?;
    Ok(EventsPage { records, next })
}

/// Gives the records of a page one by one, up to so many bytes, below that offset of each partition; where the next page
/// begins, if there may be one. A record shares memory with its neighbours.
pub fn visit_events(
    reader: &ViewReader,
    query: &EventsQuery,
    bytes_max: usize,
    below: impl Fn(TopicPartition) -> u64,
    take: impl FnMut(&StoredRecord),
) -> Result<Option<Position>, Error> {
    let mut filling = Filling { visit: Visit::new(query.limit, bytes_max, take), left: PAGE_BLOCKS_MAX, passed: None };
    for of in chain_heads(reader)?.into_iter().map(|head| head.of).filter(|of| query.wants(*of)) {
        let range = time::range(reader, of, (query.since, query.until), (query.first_offset(of), below(of)))?;
        let full = match query.symbol {
            Some(symbol) => {
                let (list, types) = (rows::list(List::Symbol(symbol), of), query.types.events);
                let mut left = filling.left;
                let mut entries = Entries::new(reader, list.as_slice(), range, types, Direction::Ascending, &mut left);
                let offsets = entries.by_ref().map(|entry| entry.map(|(offset, _)| offset));
                let full = give_listed(reader, None, of, offsets, &mut filling.visit)?;
                let stopped = entries.stopped_behind().filter(|_| !full);
                filling.left = left;
                filling.visit.next = stopped.map(|offset| of.offset(offset)).or(filling.visit.next);
                full || stopped.is_some()
            }
            None => filling.fill_from_blocks(reader, of, range, query.types)?,
        };
        if full {
            return Ok(filling.visit.next);
        }
    }
    Ok(None)
}

struct Filling<F> {
    visit: Visit<F>,
    /// How many more blocks may be looked at.
    left: usize,
    /// The last record of the last block looked at.
    passed: Option<Position>,
}

impl<F: FnMut(&StoredRecord)> Filling<F> {
    /// True once the page is full, which is known when one more record is there.
    fn push(&mut self, record: &StoredRecord) -> bool {
        let full = self.visit.is_full();
        if !full {
            self.visit.give(record);
        }
        full
    }

    fn fill_from_blocks(
        &mut self,
        reader: &ViewReader,
        of: TopicPartition,
        (from, to): (u64, u64),
        types: Types,
    ) -> Result<bool, Error> {
        for block in Blocks::new(reader, of, from, to)? {
            let block = block?;
            let Some(left) = self.left.checked_sub(1) else {
                self.visit.next = self.passed;
                return Ok(true);
            };
            self.left = left;
            self.passed = Some(of.offset(block.head.last_offset));
            if !block.head.types.meets(types.in_blocks_of(of.topic)) {
                continue;
            }
            // For those types many a block is unpacked in vain.
            self.left = self.left.saturating_sub(types.costs(of.topic));
            for record in block.decode()? {
                let wanted = (from..to).contains(&record.position.offset) && types.has(&record);
                if wanted && self.push(&record) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
