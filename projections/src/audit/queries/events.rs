//! The log itself, in its own order: by topic, partition, offset.

use orderledger_domain::ids::Symbol;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::super::block::{Blocks, StoredRecord};
use super::super::lists::Entries;
use super::super::rows::{self, List, TypeSet};
use super::{PAGE_BYTES_MAX, RecordLookup, chain_heads, time};

/// A page looks at no more blocks than this; it may then hold fewer records than asked for, and say where to go on.
const PAGE_BLOCKS_MAX: usize = if cfg!(test) { 2 } else { 8192 };

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
    /// Only these event types.
    pub types: TypeSet,
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
        let (topic, partition, from, symbol, types) = (None, None, 0, None, TypeSet::ALL);
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
    let mut page = Filling { page: EventsPage::default(), bytes: 0, blocks: 0, passed: None, limit: query.limit };
    for of in chain_heads(reader)?.into_iter().map(|head| head.of).filter(|of| query.wants(*of)) {
        let range = time::range(reader, of, (query.since, query.until), (query.first_offset(of), u64::MAX))?;
        let full = match query.symbol {
            Some(symbol) => page.fill_from_list(reader, of, symbol, range, query.types)?,
            None => page.fill_from_blocks(reader, of, range, query.types)?,
        };
        if full {
            break;
        }
    }
    Ok(page.page)
}

struct Filling {
    page: EventsPage,
    bytes: usize,
    blocks: usize,
    /// The last record of the last block looked at.
    passed: Option<Position>,
    limit: usize,
}

impl Filling {
    /// True once the page is full, which is known when one more record is there.
    fn push(&mut self, record: StoredRecord) -> bool {
        if self.is_full() {
            self.page.next = self.page.records.last().map(|last| last.position);
            return true;
        }
        self.bytes = self.bytes.saturating_add(record.size());
        self.page.records.push(record.detached());
        false
    }

    fn is_full(&self) -> bool {
        self.page.records.len() >= self.limit || self.bytes >= PAGE_BYTES_MAX
    }

    fn fill_from_list(
        &mut self,
        reader: &ViewReader,
        of: TopicPartition,
        symbol: Symbol,
        range: (u64, u64),
        types: TypeSet,
    ) -> Result<bool, Error> {
        let list = rows::list(List::Symbol(symbol), of);
        let mut lookup = RecordLookup::new(reader);
        for entry in Entries::new(reader, &list, range, types, Direction::Ascending) {
            let (offset, _) = entry?;
            if self.push(lookup.listed(of.offset(offset))?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn fill_from_blocks(
        &mut self,
        reader: &ViewReader,
        of: TopicPartition,
        (from, to): (u64, u64),
        types: TypeSet,
    ) -> Result<bool, Error> {
        for block in Blocks::new(reader, of, from, to)? {
            let block = block?;
            self.blocks = self.blocks.saturating_add(1);
            if self.blocks > PAGE_BLOCKS_MAX {
                self.page.next = self.passed;
                return Ok(true);
            }
            self.passed = Some(of.offset(block.head.last_offset));
            if !block.head.types.meets(types) {
                continue;
            }
            for record in block.decode()? {
                let wanted = (from..to).contains(&record.position.offset)
                    && TypeSet::of_number(rows::type_number(record.event_type)).meets(types);
                if wanted && self.push(record) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
