//! Proofs against the heads of a partition: that a record is in it, and that a newer head goes on from an older one.
//!
//! A proof reads O(log n) rows, and at most two runs of [`CHECKPOINT_EVERY`] records.

use std::collections::BTreeMap;

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_store::Error;
use orderledger_store::keys::{CHECKPOINT, KeyReader};
use orderledger_store::views::{Direction, ViewReader};

use super::super::SINCE_TREES;
use super::super::chain::{Chain, record_hash};
use super::super::merkle::{self, Frontier, Hash, Subtree, Subtrees};
use super::super::rows::{self, CheckpointRow, Head};
use super::super::tree::{CHECKPOINT_EVERY, KEPT_HEIGHT};
use super::{chain_heads, records};

/// What chain and tree of a partition were when it had so many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The partition.
    pub of: TopicPartition,
    /// How many records.
    pub size: u64,
    /// The last one's offset.
    pub last_offset: u64,
    /// The last link of the chain.
    pub sha256: Hash,
    /// The root of the tree.
    pub root: Hash,
}

/// A stretch of the published checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointsPage {
    /// By topic, partition and size.
    pub checkpoints: Vec<Checkpoint>,
    /// Behind which one the next page begins, if there is one.
    pub next: Option<Position>,
}

/// That a record is a leaf of the tree (RFC 6962 §2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Which leaf, from 0 on.
    pub leaf_index: u64,
    /// Its hash.
    pub leaf_hash: Hash,
    /// The hashes beside the way from the leaf to the root.
    pub path: Vec<Hash>,
    /// The tree.
    pub checkpoint: Checkpoint,
}

/// That a tree begins with an older one (RFC 6962 §2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// The hashes from which both roots follow.
    pub path: Vec<Hash>,
    /// The older tree.
    pub from: Checkpoint,
    /// The newer one.
    pub to: Checkpoint,
}

/// Why there is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprovable {
    /// The partition has no record there.
    UnknownRecord,
    /// The tree of that size ends before the record: it is leaf number so much.
    NotInTree(u64),
    /// The partition has only so many records.
    Beyond(u64),
}

/// The published checkpoints of those partitions, each behind the record that `after` names.
pub fn checkpoints(
    reader: &ViewReader,
    wanted: impl Fn(TopicPartition) -> bool,
    after: Option<Position>,
    limit: usize,
) -> Result<CheckpointsPage, Error> {
    let mut page = CheckpointsPage::default();
    let begun = |of: TopicPartition| after.is_none_or(|after| after.topic_partition() <= of);
    for head in chain_heads(reader)?.into_iter().filter(|head| wanted(head.of) && begun(head.of)) {
        let after = after.filter(|after| after.topic_partition() == head.of);
        let tree = Tree::new(reader, head.of, head.count);
        let first = after.map_or(Ok(0), |after| tree.published_below(after.offset.saturating_add(1)))?;
        let (low, high) = (rows::checkpoint(head.of, first.saturating_add(1)), rows::checkpoint(head.of, u64::MAX));
        for row in reader.scan_rows::<CheckpointRow, _>(low..=high, Direction::Ascending) {
            let (key, row) = row?;
            if page.checkpoints.len() >= limit {
                page.next = page.checkpoints.last().map(|last| last.of.offset(last.last_offset));
                return Ok(page);
            }
            let (of, size) = read_key(&key)?;
            page.checkpoints.push(Checkpoint::new(of, size, row));
        }
    }
    Ok(page)
}

/// The proof that the record there is in the tree of the first `size` records, or of all.
pub fn inclusion(
    reader: &ViewReader,
    record: Position,
    size: Option<u64>,
) -> Result<Result<Inclusion, Unprovable>, Error> {
    let of = record.topic_partition();
    let Some(mut tree) = Tree::of(reader, of)? else { return Ok(Err(Unprovable::UnknownRecord)) };
    let Some(leaf_index) = tree.leaf_of(record.offset)? else { return Ok(Err(Unprovable::UnknownRecord)) };
    let size = size.unwrap_or(tree.size);
    if size > tree.size {
        return Ok(Err(Unprovable::Beyond(tree.size)));
    }
    if size <= leaf_index {
        return Ok(Err(Unprovable::NotInTree(leaf_index)));
    }
    let leaf_hash = tree.hash(Subtree { height: 0, index: leaf_index })?;
    let path = merkle::inclusion(&mut tree, leaf_index, size)?;
    Ok(Ok(Inclusion { leaf_index, leaf_hash, path, checkpoint: tree.at(size)? }))
}

/// The proof that the tree of the first `to` records, or of all, begins with that of the first `from` (at least one).
pub fn consistency(
    reader: &ViewReader,
    of: TopicPartition,
    from: u64,
    to: Option<u64>,
) -> Result<Result<Consistency, Unprovable>, Error> {
    let Some(mut tree) = Tree::of(reader, of)? else { return Ok(Err(Unprovable::Beyond(0))) };
    let to = to.unwrap_or(tree.size);
    if from.max(to) > tree.size {
        return Ok(Err(Unprovable::Beyond(tree.size)));
    }
    let path = merkle::consistency(&mut tree, from, to)?;
    Ok(Ok(Consistency { path, from: tree.at(from)?, to: tree.at(to)? }))
}

impl Checkpoint {
    fn new(of: TopicPartition, size: u64, row: CheckpointRow) -> Checkpoint {
        let CheckpointRow { last_offset, sha256, root } = row;
        Checkpoint { of, size, last_offset, sha256, root }
    }
}

/// The tree of a partition as it stands in a view.
struct Tree<'a> {
    reader: &'a ViewReader,
    of: TopicPartition,
    size: u64,
    /// Runs of [`CHECKPOINT_EVERY`] leaves that were made from their records.
    runs: BTreeMap<u64, Vec<(u64, Hash)>>,
}

impl<'a> Tree<'a> {
    fn new(reader: &'a ViewReader, of: TopicPartition, size: u64) -> Tree<'a> {
        Tree { reader, of, size, runs: BTreeMap::new() }
    }

    fn of(reader: &'a ViewReader, of: TopicPartition) -> Result<Option<Tree<'a>>, Error> {
        reader.needs(SINCE_TREES)?;
        let head = reader.get_row::<Head>(&rows::chain(of))?;
        Ok(head.map(|head| Tree::new(reader, of, head.chain.count())))
    }

    fn published(&self, size: u64) -> Result<Checkpoint, Error> {
        let row = self.reader.get_row(&rows::checkpoint(self.of, size))?;
        row.map(|row| Checkpoint::new(self.of, size, row)).ok_or_else(|| self.missing("a checkpoint"))
    }

    /// The largest published size whose records all stand before `offset`; 0 if there is none.
    fn published_below(&self, offset: u64) -> Result<u64, Error> {
        // In runs of records: all of the first `low` stand before it, not all of the first `high`.
        let (mut low, mut high) = (0, (self.size / CHECKPOINT_EVERY).saturating_add(1));
        while high.saturating_sub(low) > 1 {
            let middle = low.midpoint(high);
            if self.published(middle.saturating_mul(CHECKPOINT_EVERY))?.last_offset < offset {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low.saturating_mul(CHECKPOINT_EVERY))
    }

    /// The first offset behind the first `size` records, a published size.
    fn offset_behind(&self, size: u64) -> Result<u64, Error> {
        if size == 0 { Ok(0) } else { Ok(self.published(size)?.last_offset.saturating_add(1)) }
    }

    /// Which leaf the record at that offset is.
    fn leaf_of(&mut self, offset: u64) -> Result<Option<u64>, Error> {
        let before = self.published_below(offset)?;
        let run = self.run(before / CHECKPOINT_EVERY)?;
        let place = run.binary_search_by_key(&offset, |(offset, _)| *offset).ok();
        Ok(place.and_then(|place| before.checked_add(u64::try_from(place).ok()?)))
    }

    /// The leaves of a run with the offsets of their records; of the last one as many as there are.
    fn run(&mut self, number: u64) -> Result<&[(u64, Hash)], Error> {
        if !self.runs.contains_key(&number) {
            let first = number.saturating_mul(CHECKPOINT_EVERY);
            let from = self.offset_behind(first)?;
            let (mut leaves, mut there) = (Vec::new(), records(self.reader, self.of, from)?);
            for _ in first..self.size.min(first.saturating_add(CHECKPOINT_EVERY)) {
                let record = there.next().ok_or_else(|| self.missing("a record"))??;
                let leaf = record_hash(record.key.as_deref(), record.value.as_deref());
                leaves.push((record.position.offset, leaf));
            }
            self.runs.insert(number, leaves);
        }
        Ok(self.runs.get(&number).map(Vec::as_slice).unwrap_or_default())
    }

    /// What chain and tree were at that size, which is at least 1.
    fn at(&mut self, size: u64) -> Result<Checkpoint, Error> {
        if size.is_multiple_of(CHECKPOINT_EVERY) {
            return self.published(size);
        }
        let before = size / CHECKPOINT_EVERY * CHECKPOINT_EVERY;
        let mut chain = Chain::default();
        if before > 0 {
            chain.sha256 = self.published(before)?.sha256;
        }
        let mut there = records(self.reader, self.of, self.offset_behind(before)?)?;
        for _ in before..size {
            let record = there.next().ok_or_else(|| self.missing("a record"))??;
            chain.link(record.position.offset, record.key.as_deref(), record.value.as_deref());
        }
        let root = merkle::root(self, size)?;
        Ok(Checkpoint { of: self.of, size, last_offset: chain.last_offset, sha256: chain.sha256, root })
    }

    fn missing(&self, what: &str) -> Error {
        Error::corrupt(self.of.offset(0), format!("the audit trail lacks {what} that its head counts"))
    }
}

impl Subtrees for Tree<'_> {
    type Error = Error;

    fn hash(&mut self, of: Subtree) -> Result<Hash, Error> {
        if of.height >= KEPT_HEIGHT {
            let row = self.reader.get_row(&rows::tree_node(self.of, of))?;
            return row.ok_or_else(|| self.missing("a node"));
        }
        let first = of.index << of.height;
        let (run, place) = (first / CHECKPOINT_EVERY, usize::try_from(first % CHECKPOINT_EVERY).unwrap_or(usize::MAX));
        let leaves = self.run(run)?.iter().skip(place).take(1 << of.height);
        let mut tree = Frontier::default();
        leaves.for_each(|(_, leaf)| tree.push(*leaf, |_, _| ()));
        Ok(tree.root())
    }
}

fn read_key(key: &[u8]) -> Result<(TopicPartition, u64), Error> {
    let mut fields = KeyReader::new(CHECKPOINT, key)?;
    let of = super::super::read_place(&mut fields)?;
    let size = fields.u64()?;
    fields.end()?;
    Ok((of, size))
}
