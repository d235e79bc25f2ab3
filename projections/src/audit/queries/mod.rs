//! What can be asked of the audit trail, at one moment of its view.
//!
//! Every answer is bounded: a page ends at its limit, or once it holds [`PAGE_BYTES_MAX`] bytes, and says where to go on.
//! Cursors are offsets, so pages stay as they are while data arrives.

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_store::Error;
use orderledger_store::keys::CHAIN;
use orderledger_store::views::{Direction, ViewReader};

use super::block::{Block, Blocks, StoredRecord};
use super::rows::Chain;

mod events;
mod history;
mod time;

pub use events::{EventsPage, EventsQuery, events};
pub use history::{HistoryPage, HistoryQuery, has_history, history};
pub use time::first_offset_since;

/// A page ends once its records have that many bytes; it holds at least one.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// The hash chain of one partition; `docs/EVENTS.md` says how a link is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The partition.
    pub of: TopicPartition,
    /// How many records are linked.
    pub count: u64,
    /// The last one's offset.
    pub last_offset: u64,
    /// The last link.
    pub sha256: [u8; 32],
}

/// The chain of every partition that has a record, by topic and partition.
pub fn chain_heads(reader: &ViewReader) -> Result<Vec<ChainHead>, Error> {
    let rows = reader.scan_prefix_rows::<Chain>(&[CHAIN], Direction::Ascending);
    rows.map(|row| {
        let (key, chain) = row?;
        let Chain { count, last_offset, sha256, .. } = chain;
        Ok(ChainHead { of: super::read_chain_key(&key)?, count, last_offset, sha256 })
    })
    .collect()
}

/// The record there.
pub fn record(reader: &ViewReader, position: Position) -> Result<Option<StoredRecord>, Error> {
    Ok(RecordLookup::new(reader).get(position)?.map(StoredRecord::detached))
}

/// The records of a partition from an offset on, in order; each block is read and unpacked once. Consecutive records
/// share one piece of memory: keep none for long, or [`StoredRecord::detached`].
pub fn records(reader: &ViewReader, of: TopicPartition, from: u64) -> Result<Records, Error> {
    let blocks = Blocks::new(reader, of, from, u64::MAX)?;
    Ok(Records { blocks: Some(blocks), block: Vec::new().into_iter(), from })
}

/// The records of one partition, in order; ends after the first error.
pub struct Records {
    blocks: Option<Blocks>,
    block: std::vec::IntoIter<StoredRecord>,
    from: u64,
}

impl Iterator for Records {
    type Item = Result<StoredRecord, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.block.by_ref().find(|record| record.position.offset >= self.from) {
                return Some(Ok(record));
            }
            match self.blocks.as_mut()?.next()?.and_then(|block| block.decode()) {
                Ok(records) => self.block = records.into_iter(),
                Err(error) => {
                    self.blocks = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Finds records one by one; neighbours cost one block.
struct RecordLookup<'a> {
    reader: &'a ViewReader,
    block: Option<(TopicPartition, Vec<StoredRecord>)>,
}

impl<'a> RecordLookup<'a> {
    fn new(reader: &'a ViewReader) -> RecordLookup<'a> {
        RecordLookup { reader, block: None }
    }

    fn get(&mut self, position: Position) -> Result<Option<StoredRecord>, Error> {
        let of = position.topic_partition();
        let held = self.block.as_ref().filter(|(held, records)| {
            let holds = |edge: Option<&StoredRecord>| edge.map(|record| record.position.offset);
            let (first, last) = (holds(records.first()), holds(records.last()));
            *held == of && first.is_some_and(|first| first <= position.offset) && last >= Some(position.offset)
        });
        if held.is_none() {
            let Some(block) = Block::at_or_before(self.reader, of, position.offset)? else { return Ok(None) };
            self.block = Some((of, block.decode()?));
        }
        let records = self.block.as_ref().map(|(_, records)| records.as_slice()).unwrap_or_default();
        let found = records.binary_search_by_key(&position.offset, |record| record.position.offset);
        Ok(found.ok().and_then(|at| records.get(at)).cloned())
    }

    /// A record that a posting list names: it must be there.
    fn listed(&mut self, position: Position) -> Result<StoredRecord, Error> {
        let missing = || Error::corrupt(position, "a posting list names a record that the audit trail does not have");
        Ok(self.get(position)?.ok_or_else(missing)?.detached())
    }
}
