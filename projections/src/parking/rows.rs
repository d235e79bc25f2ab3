//! The rows of parking, in every view of a projection that parks.
//!
//! [`ParkedRow`], [`DecisionRow`] and [`DecidedRow`] follow from the log and stand in the view's digest. [`NoteRow`] and [`BlockRow`] are
//! bookkeeping: they depend on when a record was read, too.

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{self, KeyBuilder, KeyReader};
use orderledger_store::{At, Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::worker::partition::Arrived;

/// What a waiting record was to its partition when it arrived; a repeat never waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The next of its stream.
    Derived,
    /// From outside.
    Outside,
}

impl From<Kind> for Arrived {
    fn from(kind: Kind) -> Arrived {
        match kind {
            Kind::Derived => Arrived::Derived,
            Kind::Outside => Arrived::Outside,
        }
    }
}

/// PARKED: an entity of which records wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedRow {
    /// The head: the first record that waits. All of an entity's records stand in one partition.
    pub head: Position,
    /// What the head was when it arrived.
    pub kind: Kind,
    /// How many records wait, the head included.
    pub waiting: u64,
}

/// PARKED_NOTE: what is known of an entity's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRow {
    /// Why it can't be applied.
    pub error: String,
    /// How often it was tried: once, and once more with every decision to retry it.
    pub attempts: u32,
    /// The program that tried it last.
    pub code_version: String,
    /// The newest append time of its partition when it was tried first.
    pub since: Timestamp,
    /// Its notice stands in `dead-letters`.
    pub noticed: bool,
    /// What waits is being applied.
    pub releasing: bool,
}

/// PARKED_BLOCK: waiting offsets behind the head, in order. Each number is twice the distance from the offset before it,
/// the first from the one in the key, and one more if that record is from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRow(pub Vec<u64>);

/// What was decided about a parked record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// To try it again.
    Retried,
    /// Never to apply it.
    Discarded,
}

/// DECISION: an operator's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// Where it stands, in `dead-letters`.
    pub at: Position,
    /// What was decided.
    pub verdict: Verdict,
    /// Whose record it is about.
    pub entity: Entity,
    /// The record.
    pub about: Position,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// Another decision about the record came first that whoever made this one didn't know of: it changes nothing.
    pub void: bool,
}

/// DECIDED: where the newest decision about a record stands that is not void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedRow(pub Position);

/// The key of an entity's [`ParkedRow`].
pub fn parked_key(entity: &Entity) -> Bytes {
    KeyBuilder::new(keys::PARKED).name(&entity.to_string()).build()
}

/// The entity of a [`ParkedRow`]'s key.
pub fn entity_of_parked_key(key: &[u8]) -> Result<Entity, Error> {
    let mut fields = KeyReader::new(keys::PARKED, key)?;
    let name = fields.name()?;
    fields.end()?;
    name.parse().map_err(|error| Error::corrupt(At::Frame, "a parked row's key names no entity").with_source(error))
}

/// The key of an entity's [`NoteRow`].
pub fn note_key(entity: &Entity) -> Bytes {
    KeyBuilder::new(keys::PARKED_NOTE).name(&entity.to_string()).build()
}

/// What the keys of an entity's [`BlockRow`]s begin with.
pub fn blocks_key(entity: &Entity) -> KeyBuilder {
    KeyBuilder::new(keys::PARKED_BLOCK).name(&entity.to_string())
}

/// The key of the [`BlockRow`] whose first waiting offset was this one when it was begun.
pub fn block_key(entity: &Entity, first: u64) -> Bytes {
    blocks_key(entity).u64(first).build()
}

/// The offset in a [`BlockRow`]'s key.
pub fn first_of_block_key(key: &[u8]) -> Result<u64, Error> {
    let mut fields = KeyReader::new(keys::PARKED_BLOCK, key)?;
    fields.name()?;
    let first = fields.u64()?;
    fields.end()?;
    Ok(first)
}

/// What the keys of the [`DecisionRow`]s of an event begin with.
pub fn decisions_key(event_id: Uuid) -> KeyBuilder {
    let (high, low) = event_id.as_u64_pair();
    KeyBuilder::new(keys::DECISION).u64(high).u64(low)
}

/// The key of the [`DecisionRow`] of an event in that partition of `dead-letters`.
pub fn decision_key(event_id: Uuid, partition: u32) -> Bytes {
    decisions_key(event_id).u32(partition).build()
}

/// The key of the [`DecidedRow`] of an entity's record.
pub fn decided_key(entity: &Entity, about: Position) -> Bytes {
    let key = KeyBuilder::new(keys::DECIDED).name(&entity.to_string());
    key.u8(about.topic.number()).u32(about.partition).u64(about.offset).build()
}

impl BlockRow {
    /// A block whose key says `first`.
    pub fn of(first: u64, waiting: impl IntoIterator<Item = (u64, Kind)>) -> BlockRow {
        let mut before = first;
        let number = |(offset, kind): (u64, Kind)| {
            let distance = offset.saturating_sub(before);
            before = offset;
            distance.saturating_mul(2).saturating_add(u64::from(kind == Kind::Outside))
        };
        BlockRow(waiting.into_iter().map(number).collect())
    }

    /// The waiting offsets of a block whose key says `first`.
    pub fn waiting(&self, first: u64) -> impl Iterator<Item = (u64, Kind)> + '_ {
        let mut offset = first;
        self.0.iter().map(move |number| {
            offset = offset.saturating_add(number / 2);
            (offset, if number % 2 == 0 { Kind::Derived } else { Kind::Outside })
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;
    use orderledger_store::codec;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn entity() -> Entity {
        "user:u1".parse().unwrap()
    }

    #[test]
    fn the_bytes_of_every_row_are_these_for_ever() {
        let head = Topic::Orders.at(3).offset(1842);
        let parked = ParkedRow { head, kind: Kind::Derived, waiting: 7 };
        insta::assert_snapshot!(hex(&codec::encode(1, &parked).unwrap()), @"01909952d10003fb32070007");
        let note = NoteRow {
            error: "no such order".to_owned(),
            attempts: 2,
            code_version: "0.1.0".to_owned(),
            since: Timestamp::parse("2025-01-15T10:37:59.5Z").unwrap(),
            noticed: true,
            releasing: false,
        };
        insta::assert_snapshot!(hex(&codec::encode(1, &note).unwrap()), @"01580d210c0d6e6f2073756368206f726465720205302e312e30fdc0e1ec8a78570c000100");
        let block = BlockRow::of(1850, [(1850, Kind::Outside), (1851, Kind::Derived), (2851, Kind::Derived)]);
        insta::assert_snapshot!(hex(&codec::encode(1, &block).unwrap()), @"0180f7e777030102fbd007");
        let decision = DecisionRow {
            at: Topic::DeadLetters.at(3).offset(9),
            verdict: Verdict::Discarded,
            entity: entity(),
            about: head,
            reason: "wrong feed".to_owned(),
            actor: "ops".to_owned(),
            void: false,
        };
        insta::assert_snapshot!(hex(&codec::encode(1, &decision).unwrap()), @"011846af890303090107757365723a75310003fb32070a77726f6e672066656564036f707300");
    }

    #[test]
    fn the_bytes_of_every_key_are_these_for_ever() {
        insta::assert_snapshot!(hex(&parked_key(&entity())), @"70757365723a753100");
        insta::assert_snapshot!(hex(&note_key(&entity())), @"f0757365723a753100");
        insta::assert_snapshot!(hex(&block_key(&entity(), 258)), @"f1757365723a7531000000000000000102");
        let decided = decided_key(&entity(), Topic::Orders.at(3).offset(1842));
        insta::assert_snapshot!(hex(&decided), @"72757365723a75310000000000030000000000000732");
        insta::assert_snapshot!(hex(&decision_key(Uuid::from_u128(5), 3)), @"710000000000000000000000000000000500000003");
    }

    #[test]
    fn a_block_reads_back_as_it_was_written() {
        let waiting = vec![(10, Kind::Derived), (11, Kind::Outside), (u64::from(u32::MAX), Kind::Derived)];
        let block = BlockRow::of(4, waiting.clone());
        assert_eq!(block.waiting(4).collect::<Vec<_>>(), waiting);
        assert_eq!(first_of_block_key(&block_key(&entity(), 4)).unwrap(), 4);
        assert_eq!(entity_of_parked_key(&parked_key(&entity())).unwrap(), entity());
    }
}
