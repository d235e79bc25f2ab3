//! The audit trail: every record of every topic, byte for byte, and where in the log a user, an order or a symbol is
//! spoken of.
//!
//! In: all records, repeats and damage included. Out: blocks of raw records, posting lists of offsets, and a hash chain
//! and a Merkle tree over each partition. Invariant: what it gives back is what stood in the log, and its rows depend on the log alone,
//! not on how it was batched. Never: a judgement of a record.
//!
//! - `rows`: the shapes of the rows, their keys, and where blocks end
//! - `block`, `lists`, `chain`, `tree`: what the fold keeps
//! - `readable`: which records of outside say anything
//! - `merkle`: trees and proofs as RFC 6962 makes them
//! - `queries`: what can be asked

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::Event;
use orderledger_domain::ids::{OrderId, UserId};
use orderledger_domain::partition;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{CHAIN, KeyReader};
use orderledger_store::views::{Changes, Direction, View};
use orderledger_store::{At, Error};

use self::block::OpenBlock;
use self::lists::OpenLists;
use self::readable::Readable;
use self::rows::{BlockPart, Head, List};
use self::tree::OpenTree;
use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

mod block;
mod chain;
mod lists;
pub mod merkle;
pub mod queries;
mod readable;
mod rows;
#[cfg(test)]
mod tests;
mod tree;
mod varint;

pub use block::StoredRecord;
pub use chain::{Chain, record_hash};
pub use rows::TypeSet;
pub use tree::CHECKPOINT_EVERY;

/// The fold of every topic into the audit trail.
#[derive(Debug, Default)]
pub struct Audit {
    /// Of every topic: says which partition is a user's own.
    partitions: u32,
    trails: BTreeMap<TopicPartition, Trail>,
    lists: OpenLists,
    readable: Readable,
    /// So many lists may change until a commit is due, if there is a bound.
    lists_max: Option<usize>,
}

/// From this version of the schema on there are trees, and heads that say so.
const SINCE_TREES: u8 = 2;

/// What a list that changed takes in memory, about.
const LIST_BYTES: usize = 384;

/// What is kept of one partition.
#[derive(Debug, Default)]
struct Trail {
    tree: OpenTree,
    recorded_max: i64,
    block: Option<OpenBlock>,
    /// The rows of blocks that became full since the last batch, compressed already.
    full: Vec<(Bytes, Option<BlockPart>)>,
    changed: bool,
}

impl Audit {
    /// Whose history the record belongs to: the user whose key it has, in the user's own partition.
    fn user_of(&self, read: &Read, event: Option<&Event>) -> Option<UserId> {
        let key = read.key.as_deref().filter(|_| read.position.topic == Topic::Orders)?;
        if partition::of_key(key, self.partitions) != read.position.partition {
            return None;
        }
        let named = event.and_then(Event::user_id).filter(|user| user.as_str().as_bytes() == key);
        named.cloned().or_else(|| UserId::new(std::str::from_utf8(key).ok()?).ok())
    }

    fn index(
        &mut self,
        view: &View,
        read: &Read,
        arrived: Arrived,
        envelope: Option<&Envelope>,
        type_number: u8,
    ) -> Result<(), Error> {
        let of = read.position.topic_partition();
        let entry = (read.position.offset, type_number);
        let event = envelope.and_then(|envelope| envelope.event.as_ref().ok());
        if let Some(symbol) = event.and_then(|event| event.symbol()) {
            self.lists.append(view, &rows::list(List::Symbol(symbol), of), entry)?;
        }
        if matches!(arrived, Arrived::Repeat { .. }) {
            return Ok(());
        }
        let Some(user) = self.user_of(read, event) else { return Ok(()) };
        self.lists.append(view, &rows::list(List::User(&user), of), entry)?;
        let own = event.filter(|event| event.user_id() == Some(&user));
        let order: Option<&OrderId> = own.and_then(|event| event.order_id());
        order.map_or(Ok(()), |order| self.lists.append(view, &rows::list(List::Order(&user, order), of), entry))
    }
}

impl Fold for Audit {
    const NAME: &'static str = "audit";
    const TOPICS: &'static [Topic] = &Topic::ALL;
    /// Version 2 keeps a Merkle tree of every partition and the head of chain and tree in one row, which 1 had in another shape; blocks
    /// of records and lists are the same (`SINCE_TREES`).
    const SCHEMA: u8 = 2;
    const OLDER: &'static [u8] = &[1];
    /// The audit trail may be seconds behind: fewer, larger batches compress better and cost less.
    const PACE: Duration = Duration::from_millis(100);

    fn load(view: &View, partitions: u32) -> Result<Audit, Error> {
        let reader = view.reader()?;
        let lists_max = view.budget().map(|rows| rows.saturating_mul(2) / LIST_BYTES);
        let readable = Readable::load(&reader)?;
        let mut audit = Audit { partitions, lists_max, readable, ..Audit::default() };
        for row in reader.scan_prefix_rows::<Head>(&[CHAIN], Direction::Ascending) {
            let (key, Head { chain, recorded_max }) = row?;
            let of = read_chain_key(&key)?;
            let block = OpenBlock::load(&reader, of)?;
            audit.trails.insert(of, Trail { tree: OpenTree::new(chain), recorded_max, block, ..Trail::default() });
        }
        Ok(audit)
    }

    fn apply(&mut self, view: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        let envelope = self.readable.envelope(read, arrived);
        let type_number = rows::type_number(envelope.map(|envelope| envelope.event_type));
        self.index(view, read, arrived, envelope, type_number)?;
        self.readable.take(read, arrived);
        self.trails.entry(read.position.topic_partition()).or_default().append(read, type_number)?;
        Ok(Outcome::Applied)
    }

    fn is_full(&self) -> bool {
        self.lists_max.is_some_and(|most| self.lists.changed() > most)
    }

    fn write_rows(&mut self, _view: &View, changes: &mut Changes) -> Result<(), Error> {
        for (of, trail) in self.trails.iter_mut().filter(|(_, trail)| trail.changed) {
            trail.write_rows(*of, changes)?;
        }
        self.readable.write_rows(changes)?;
        self.lists.write_rows(changes)
    }
}

impl Trail {
    fn append(&mut self, read: &Read, type_number: u8) -> Result<(), Error> {
        self.tree.append(read);
        self.recorded_max = self.recorded_max.max(read.recorded_at.micros());
        let recorded_max = Timestamp::from_micros(self.recorded_max);
        let begin = || OpenBlock::new(read.position.offset, recorded_max);
        let block = self.block.get_or_insert_with(begin);
        if !block.append(read, type_number) {
            let mut next = begin();
            next.append(read, type_number);
            let mut full = std::mem::replace(block, next);
            self.full.append(&mut full.rows(read.position.topic_partition())?);
        }
        self.changed = true;
        Ok(())
    }

    fn write_rows(&mut self, of: TopicPartition, changes: &mut Changes) -> Result<(), Error> {
        if let Some(block) = &mut self.block {
            self.full.append(&mut block.rows(of)?);
        }
        for (key, part) in self.full.drain(..) {
            match part {
                Some(part) => changes.put_row(key, &part)?,
                None => changes.delete(key),
            }
        }
        self.changed = false;
        self.tree.write_rows(of, changes)?;
        changes.put_row(rows::chain(of), &Head { chain: self.tree.chain.clone(), recorded_max: self.recorded_max })
    }
}

fn read_chain_key(key: &[u8]) -> Result<TopicPartition, Error> {
    let mut fields = KeyReader::new(CHAIN, key)?;
    let of = read_place(&mut fields)?;
    fields.end()?;
    Ok(of)
}

fn read_place(fields: &mut KeyReader<'_>) -> Result<TopicPartition, Error> {
    let topic = Topic::from_number(fields.u8()?);
    let unknown = || Error::corrupt(At::Frame, "a row of an unknown topic");
    Ok(topic.ok_or_else(unknown)?.at(fields.u32()?))
}
