//! Reads of what is parked, for answers and for proofs. Each takes one consistent look.

use std::ops::Bound;

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::position::Position;
use orderledger_store::keys::{self, KeyBuilder, after_prefix};
use orderledger_store::views::{Direction, ViewReader};
use orderledger_store::{At, Error};
use uuid::Uuid;

use super::rows::{
    BlockRow, DecidedRow, DecisionRow, Kind, NoteRow, ParkedRow, block_key, blocks_key, decided_key, decision_key,
    decisions_key, entity_of_parked_key, first_of_block_key, note_key, parked_key,
};

/// A parked entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Which.
    pub entity: Entity,
    /// Its head, and how many records wait.
    pub row: ParkedRow,
    /// What is known of the head.
    pub note: NoteRow,
}

impl Parked {
    /// The last position before the head: the entity's rows are right up to there. None if the head is its partition's
    /// first record.
    pub fn last_good(&self) -> Option<Position> {
        let Position { topic, partition, offset } = self.row.head;
        offset.checked_sub(1).map(|offset| Position { topic, partition, offset })
    }
}

/// The parked entities in the order of their names, beginning behind `after`, at most so many.
pub fn parked_entities(
    reader: &ViewReader,
    after: Option<&Entity>,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Parked>, Error> {
    let behind = |prefix: u8, after: Option<Bytes>| {
        let all = KeyBuilder::new(prefix).build();
        let end = after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
        match (after, direction) {
            (None, _) => (Bound::Included(all), end),
            (Some(after), Direction::Ascending) => (Bound::Excluded(after), end),
            (Some(after), Direction::Descending) => (Bound::Included(all), Bound::Excluded(after)),
        }
    };
    let rows = reader.scan_rows::<ParkedRow, Bytes>(behind(keys::PARKED, after.map(parked_key)), direction);
    // The notes lie in the same order.
    let mut notes = reader.scan_rows::<NoteRow, Bytes>(behind(keys::PARKED_NOTE, after.map(note_key)), direction);
    let parked = rows.take(limit).map(|row| {
        let (key, row) = row?;
        let entity = entity_of_parked_key(&key)?;
        match notes.next().transpose()? {
            Some((key, note)) if key == note_key(&entity) => Ok(Parked { entity, row, note }),
            _ => Err(without_note(&entity)),
        }
    });
    parked.collect()
}

/// The entity, if it is parked.
pub fn parked(reader: &ViewReader, entity: &Entity) -> Result<Option<Parked>, Error> {
    let Some(row) = reader.get_row::<ParkedRow>(&parked_key(entity))? else { return Ok(None) };
    let note = reader.get_row(&note_key(entity))?.ok_or_else(|| without_note(entity))?;
    Ok(Some(Parked { entity: entity.clone(), row, note }))
}

fn without_note(entity: &Entity) -> Error {
    Error::corrupt(At::Frame, format!("{entity} is parked without a note, or a note is there without it"))
}

/// Where the entity's waiting records stand, in order, from that offset on, at most so many; none if it is not parked.
pub fn queue(reader: &ViewReader, entity: &Entity, from: u64, limit: usize) -> Result<Vec<Position>, Error> {
    Ok(waiting(reader, entity, from, limit)?.into_iter().map(|(at, _)| at).collect())
}

/// As [`queue`], with what each record was when it arrived.
pub(super) fn waiting(
    reader: &ViewReader,
    entity: &Entity,
    from: u64,
    limit: usize,
) -> Result<Vec<(Position, Kind)>, Error> {
    let Some(row) = reader.get_row::<ParkedRow>(&parked_key(entity))? else { return Ok(Vec::new()) };
    let of = row.head.topic_partition();
    let head = (row.head.offset >= from).then_some((row.head, row.kind));
    let mut waiting: Vec<(Position, Kind)> = head.into_iter().take(limit).collect();
    let all = blocks_key(entity).build();
    let end = after_prefix(&all).map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::from(end)));
    // The block that may hold `from` is the last one that begins at or below it.
    let begun = (Bound::Included(all.clone()), Bound::Included(block_key(entity, from)));
    let first = reader.scan::<Bytes>(begun, Direction::Descending).next().transpose()?.map_or(all, |(key, _)| key);
    for block in reader.scan_rows::<BlockRow, Bytes>((Bound::Included(first), end), Direction::Ascending) {
        if waiting.len() >= limit {
            break;
        }
        let (key, block) = block?;
        let due = block.waiting(first_of_block_key(&key)?);
        let due = due.filter(|(offset, _)| *offset >= from && *offset > row.head.offset);
        let room = limit.saturating_sub(waiting.len());
        waiting.extend(due.map(|(offset, kind)| (of.offset(offset), kind)).take(room));
    }
    Ok(waiting)
}

/// The decision of that event about a record of that partition, once the projection has read it.
pub fn decision_in(reader: &ViewReader, event_id: Uuid, partition: u32) -> Result<Option<DecisionRow>, Error> {
    reader.get_row(&decision_key(event_id, partition))
}

/// A decision of that event, about a record of whatever partition, once the projection has read it.
pub fn decision(reader: &ViewReader, event_id: Uuid) -> Result<Option<DecisionRow>, Error> {
    let prefix = decisions_key(event_id).build();
    let row = reader.scan_prefix_rows::<DecisionRow>(&prefix, Direction::Ascending).next().transpose()?;
    Ok(row.map(|(_, row)| row))
}

/// Where the newest decision about an entity's record stands, of those that the projection has read.
pub fn decided(reader: &ViewReader, entity: &Entity, about: Position) -> Result<Option<Position>, Error> {
    Ok(reader.get_row(&decided_key(entity, about))?.map(|DecidedRow(at)| at))
}

/// Every decision that the projection has read, in no order that means anything.
pub fn decisions(reader: &ViewReader) -> impl Iterator<Item = Result<DecisionRow, Error>> + use<> {
    reader.scan_prefix_rows::<DecisionRow>(&[keys::DECISION], Direction::Ascending).map(|row| Ok(row?.1))
}
