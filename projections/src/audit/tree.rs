//! The Merkle tree of a partition as the fold keeps it: roots of perfect subtrees of at least [`CHECKPOINT_EVERY`] leaves,
//! each written once, and a checkpoint wherever one of that size is complete. The leaves below are made anew from the
//! records when a proof needs them.

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::views::Changes;

use super::chain::Chain;
use super::merkle::{Hash, Subtree};
use super::rows::{self, CheckpointRow};
use crate::worker::read::Read;

/// Heads are published at every multiple of so many records of a partition.
pub const CHECKPOINT_EVERY: u64 = 1 << KEPT_HEIGHT;
/// Subtrees from this height on have rows.
pub(super) const KEPT_HEIGHT: u8 = 8;

/// A tree that grows.
#[derive(Debug, Default)]
pub(super) struct OpenTree {
    pub(super) chain: Chain,
    /// What was completed since the last batch.
    nodes: Vec<(Subtree, Hash)>,
    checkpoints: Vec<(u64, CheckpointRow)>,
}

impl OpenTree {
    pub(super) fn new(chain: Chain) -> OpenTree {
        OpenTree { chain, ..OpenTree::default() }
    }

    /// Takes the next record.
    pub(super) fn append(&mut self, read: &Read) {
        let nodes = &mut self.nodes;
        self.chain.take(read.position.offset, read.key.as_deref(), read.value.as_deref(), |subtree, hash| {
            if subtree.height >= KEPT_HEIGHT {
                nodes.push((subtree, hash));
            }
        });
        if self.chain.count().is_multiple_of(CHECKPOINT_EVERY) {
            self.checkpoints.push((self.chain.count(), CheckpointRow::of(&self.chain)));
        }
    }

    /// Writes what was completed.
    pub(super) fn write_rows(&mut self, of: TopicPartition, changes: &mut Changes) -> Result<(), Error> {
        for (subtree, hash) in self.nodes.drain(..) {
            changes.put_row(rows::tree_node(of, subtree), &hash)?;
        }
        for (size, checkpoint) in self.checkpoints.drain(..) {
            changes.put_row(rows::checkpoint(of, size), &checkpoint)?;
        }
        Ok(())
    }
}

impl CheckpointRow {
    /// The head of a chain.
    pub(super) fn of(chain: &Chain) -> CheckpointRow {
        CheckpointRow { last_offset: chain.last_offset, sha256: chain.sha256, root: chain.tree.root() }
    }
}
