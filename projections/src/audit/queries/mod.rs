//! What can be asked of the audit trail, at one moment of its view.
//!
//! Every answer is bounded: a page ends at its limit, or once it holds [`PAGE_BYTES_MAX`] bytes or has looked at
//! 8,192 blocks for what is wanted, and says where to go on.
//! Cursors are offsets, so pages stay as they are while data arrives.

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_store::Error;
use orderledger_store::keys::CHAIN;
use orderledger_store::views::{Direction, ViewReader};

use super::SINCE_TREES;
use super::block::{Blocks, StoredRecord};
use super::merkle::Hash;
use super::rows::Head;

pub use self::lookup::RecordLookup;

mod events;
mod history;
mod lookup;
mod proof;
mod recent;
mod symbol;
mod time;
mod visit;
mod wanted;

pub use events::{EventsPage, EventsQuery, events, visit_events};
pub use history::{HistoryPage, HistoryQuery, has_history, history, history_count, visit_history};
pub use proof::{Checkpoint, CheckpointsPage, Consistency, Inclusion, Unprovable, checkpoints, consistency, inclusion};
pub use recent::Recent;
pub use symbol::{SymbolQuery, visit_symbol};
pub use time::first_offset_since;
pub use wanted::Types;

/// A page ends once its records have that many bytes; it holds at least one.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

/// A page looks at no more blocks than this, of records or of a posting list; it may then hold fewer records than asked for,
/// even none, and say where to go on.
pub(super) const PAGE_BLOCKS_MAX: usize = if cfg!(test) { 2 } else { 8192 };

/// The hash chain and the Merkle tree of one partition; `docs/EVENTS.md` says how a link and a node are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The partition.
    pub of: TopicPartition,
    /// How many records are linked.
    pub count: u64,
    /// The last one's offset.
    pub last_offset: u64,
    /// The last link.
    pub sha256: Hash,
    /// The root of the tree over the same records.
    pub root: Hash,
}

/// The chain of every partition that has a record, by topic and partition.
pub fn chain_heads(reader: &ViewReader) -> Result<Vec<ChainHead>, Error> {
    reader.needs(SINCE_TREES)?;
    let rows = reader.scan_prefix_rows::<Head>(&[CHAIN], Direction::Ascending);
    rows.map(|row| {
        let (key, Head { chain, .. }) = row?;
        let (count, root) = (chain.count(), chain.tree.root());
        let of = super::read_chain_key(&key)?;
        Ok(ChainHead { of, count, last_offset: chain.last_offset, sha256: chain.sha256, root })
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
