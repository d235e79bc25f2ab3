//! The rows of the audit trail and their keys. Every change of a shape here raises [`super::Audit`]'s schema.

use std::fmt;

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::{OrderId, Symbol, UserId};
use orderledger_domain::position::TopicPartition;
use orderledger_store::keys::{CHAIN, CHECKPOINT, KeyBuilder, LIST_BLOCK, READABLE, RECORD_BLOCK, TREE_NODE};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::chain::Chain;
use super::merkle::{Hash, Subtree};

/// Most records of one block.
pub(super) const BLOCK_RECORDS_MAX: u32 = 256;
/// Most bytes of one block before compression; a larger record has a block of its own.
pub(super) const BLOCK_BYTES_MAX: usize = 48 << 10;
/// Most compressed bytes of one row: sled keeps values below 16 KiB well.
pub(super) const PART_BYTES_MAX: usize = 15 << 10;
/// Most offsets of one block of a posting list.
pub(super) const LIST_ENTRIES_MAX: u32 = 512;
/// Where a posting list's last block stands, which still grows; full ones stand at their last offset.
pub(super) const OPEN: u64 = u64::MAX;

/// Compressed bytes of a block of records: all of them, or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockPart {
    /// What the block is, in its first part.
    pub(super) head: Option<BlockHead>,
    /// The bytes.
    pub(super) packed: RawBytes,
}

/// What a block of consecutive records of one partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockHead {
    /// How many records.
    pub(super) count: u32,
    /// The last one's offset; the first one's is in the key.
    pub(super) last_offset: u64,
    /// The newest append time of the partition up to the first record, in microseconds since 1970.
    pub(super) recorded_max: i64,
    /// The event types in it.
    pub(super) types: TypeSet,
    /// Bytes before compression.
    pub(super) raw_len: u32,
    /// In how many parts the compressed bytes stand.
    pub(super) parts: u32,
}

/// A stretch of a posting list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListBlock {
    /// The first offset.
    pub(super) first: u64,
    /// The last offset.
    pub(super) last: u64,
    /// How many offsets.
    pub(super) count: u32,
    /// The event types in it.
    pub(super) types: TypeSet,
    /// For each offset its distance from the one before (0 for the first) and the number of its event type.
    pub(super) entries: RawBytes,
}

/// The head of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The chain and the tree so far.
    pub(super) chain: Chain,
    /// The newest append time so far, in microseconds since 1970.
    pub(super) recorded_max: i64,
}

/// A published head: what chain and tree were at that size of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CheckpointRow {
    /// The last record's offset.
    pub(super) last_offset: u64,
    /// The last link.
    pub(super) sha256: Hash,
    /// The root.
    pub(super) root: Hash,
}

/// The key of a part of a block of records.
pub(super) fn record_block(of: TopicPartition, base: u64, part: u32) -> Bytes {
    KeyBuilder::new(RECORD_BLOCK).u8(of.topic.number()).u32(of.partition).u64(base).u32(part).build()
}

/// The prefix of all blocks of a partition.
pub(super) fn record_blocks(of: TopicPartition) -> Bytes {
    KeyBuilder::new(RECORD_BLOCK).u8(of.topic.number()).u32(of.partition).build()
}

/// The key of the rules by which a partition's outside records are read.
pub(super) fn readable(partition: u32) -> Bytes {
    KeyBuilder::new(READABLE).u32(partition).build()
}

/// The key of a partition's chain.
pub(super) fn chain(of: TopicPartition) -> Bytes {
    KeyBuilder::new(CHAIN).u8(of.topic.number()).u32(of.partition).build()
}

/// The key of a perfect subtree of a partition's tree.
pub(super) fn tree_node(of: TopicPartition, subtree: Subtree) -> Bytes {
    let key = KeyBuilder::new(TREE_NODE).u8(of.topic.number()).u32(of.partition);
    key.u8(subtree.height).u64(subtree.index).build()
}

/// The key of a partition's checkpoint.
pub(super) fn checkpoint(of: TopicPartition, size: u64) -> Bytes {
    KeyBuilder::new(CHECKPOINT).u8(of.topic.number()).u32(of.partition).u64(size).build()
}

/// Which posting list; the numbers of the kinds are part of stored keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum List<'a> {
    /// What a user's own partition holds under the user's key.
    User(&'a UserId),
    /// What of it names one of the user's orders.
    Order(&'a UserId, &'a OrderId),
    /// What names a symbol.
    Symbol(Symbol),
}

/// The prefix of a list's blocks in one partition.
pub(super) fn list(list: List<'_>, of: TopicPartition) -> KeyBuilder {
    let key = KeyBuilder::new(LIST_BLOCK);
    let key = match list {
        List::User(user) => key.u8(0).name(user.as_str()),
        List::Order(user, order) => key.u8(1).name(user.as_str()).name(order.as_str()),
        List::Symbol(symbol) => key.u8(2).name(symbol.as_str()),
    };
    key.u8(of.topic.number()).u32(of.partition)
}

/// The key of a list's block that ends at `last`, or of the open one.
pub(super) fn list_block(prefix: &[u8], last: u64) -> Bytes {
    let mut key = Vec::with_capacity(prefix.len().saturating_add(8));
    key.extend_from_slice(prefix);
    key.extend_from_slice(&last.to_be_bytes());
    Bytes::from(key)
}

/// The number of a record's event type in rows: 0 where it has none that can be read.
pub(super) fn type_number(event_type: Option<EventType>) -> u8 {
    event_type.map_or(0, |event_type| (event_type as u8).saturating_add(1))
}

/// The event type of that number.
pub(super) fn type_of_number(number: u8) -> Option<EventType> {
    EventType::ALL.get(usize::from(number.checked_sub(1)?)).copied()
}

/// A set of event types; records without a readable one are in no set but [`TypeSet::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSet(u64);

impl TypeSet {
    /// Every type, and records without one.
    pub const ALL: TypeSet = TypeSet(u64::MAX);

    /// Whether both have a type in common.
    pub const fn meets(self, other: TypeSet) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn of_number(number: u8) -> TypeSet {
        TypeSet(1_u64.checked_shl(u32::from(number)).unwrap_or_default())
    }

    pub(super) fn add(&mut self, other: TypeSet) {
        self.0 |= other.0;
    }
}

impl FromIterator<EventType> for TypeSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> TypeSet {
        let mut set = TypeSet::default();
        types.into_iter().for_each(|event_type| set.add(TypeSet::of_number(type_number(Some(event_type)))));
        set
    }
}

/// Bytes stored as they are, not one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RawBytes(pub(super) Vec<u8>);

impl Serialize for RawBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RawBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawBytes, D::Error> {
        deserializer.deserialize_byte_buf(RawBytesVisitor)
    }
}

struct RawBytesVisitor;

impl de::Visitor<'_> for RawBytesVisitor {
    type Value = RawBytes;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<RawBytes, E> {
        Ok(RawBytes(bytes.to_vec()))
    }
    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<RawBytes, E> {
        Ok(RawBytes(bytes))
    }
}
