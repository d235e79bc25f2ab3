//! Heads of hash chains and Merkle trees, as every call and every export writes them.

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::audit::Chain;
use orderledger_projections::audit::merkle::Hash;
use orderledger_projections::audit::queries::{ChainHead, Checkpoint};
use serde::Serialize;

/// What chain and tree of a partition are, or were, at so many records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeadRow {
    pub(crate) topic: &'static str,
    pub(crate) partition: u32,
    pub(crate) count: u64,
    pub(crate) tree_size: u64,
    /// Null where there is no record.
    pub(crate) last_offset: Option<u64>,
    pub(crate) sha256: String,
    pub(crate) root_hash: String,
}

impl HeadRow {
    /// The head of a chain that grew here.
    pub(crate) fn of_chain(of: TopicPartition, chain: &Chain) -> HeadRow {
        HeadRow::new(of, chain.count(), chain.last_offset, &chain.sha256, &chain.tree.root())
    }

    fn new(of: TopicPartition, count: u64, last_offset: u64, sha256: &Hash, root: &Hash) -> HeadRow {
        HeadRow {
            topic: Topic::name(of.topic),
            partition: of.partition,
            count,
            tree_size: count,
            last_offset: (count > 0).then_some(last_offset),
            sha256: hex(sha256),
            root_hash: hex(root),
        }
    }
}

impl From<&ChainHead> for HeadRow {
    fn from(head: &ChainHead) -> HeadRow {
        HeadRow::new(head.of, head.count, head.last_offset, &head.sha256, &head.root)
    }
}

impl From<&Checkpoint> for HeadRow {
    fn from(head: &Checkpoint) -> HeadRow {
        HeadRow::new(head.of, head.size, head.last_offset, &head.sha256, &head.root)
    }
}

/// Hexadecimal digits, in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
