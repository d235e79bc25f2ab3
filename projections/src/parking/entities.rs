//! The parked entities of one projection: a little of each in memory, all of it in rows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::views::{Changes, Direction, View, ViewReader};

use super::decisions::Ahead;
use super::queries;
use super::queue::Queue;
use super::rows::{DecidedRow, DecisionRow, Kind, NoteRow, ParkedRow, note_key, parked_key};
use crate::worker::partition::{Accounting, Fate, PartitionState};
use crate::worker::read::Read;

/// One parked entity.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) entity: Entity,
    pub(super) row: ParkedRow,
    pub(super) note: NoteRow,
    /// Whether the note differs from its row.
    pub(super) note_changed: bool,
    queue: Queue,
}

/// All of them, and what was decided about records that have not been met yet.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    /// By name: the key of their records. A projection's entities are all of one kind.
    pub(super) entities: BTreeMap<String, Waiting>,
    /// Those that differ from their rows.
    pub(super) changed: BTreeSet<String>,
    /// How many records of each partition wait: counted by itself, beside the entities' own numbers.
    waiting: BTreeMap<TopicPartition, u64>,
    /// Where what waits is being applied: the heads.
    releasing: BTreeSet<(TopicPartition, u64, String)>,
    /// Where `dead-letters` doesn't say yet that the head can't be applied.
    pub(super) unnoticed: BTreeSet<String>,
    /// What was said of records that are not met yet, or wait.
    pub(super) ahead: BTreeMap<(TopicPartition, u64, String), Ahead>,
    /// Decisions that are not in the view yet.
    pub(super) decisions: BTreeMap<Bytes, DecisionRow>,
    /// The newest decisions about records, where the view doesn't say them yet.
    pub(super) decided: BTreeMap<Bytes, DecidedRow>,
    deleted: Vec<Bytes>,
}

/// Who parks.
pub(crate) struct New {
    pub(crate) entity: Entity,
    pub(crate) head: Position,
    pub(crate) kind: Kind,
    /// Why the head can't be applied.
    pub(crate) error: String,
    /// The newest append time of its partition.
    pub(crate) since: Timestamp,
}

impl Parking {
    /// What is parked as the view's rows say; `states` is how far each partition is known.
    pub(crate) fn load(view: &View, states: &BTreeMap<TopicPartition, PartitionState>) -> Result<Parking, Error> {
        let reader = view.reader()?;
        let mut parking = Parking::default();
        for parked in queries::parked_entities(&reader, None, usize::MAX, Direction::Ascending)? {
            parking.load_entity(&reader, parked)?;
        }
        for row in queries::decisions(&reader) {
            let row = row?;
            let met = states.get(&row.about.topic_partition()).map_or(0, |state| state.next_offset);
            if row.void {
                continue;
            }
            if row.about.offset >= met || parking.waits(&row.entity, row.about) {
                parking.say_ahead(&row);
            }
        }
        Ok(parking)
    }

    fn load_entity(&mut self, reader: &ViewReader, parked: queries::Parked) -> Result<(), Error> {
        let queries::Parked { entity, row, note } = parked;
        let name = entity.name().to_owned();
        if note.releasing {
            self.releasing.insert((row.head.topic_partition(), row.head.offset, name.clone()));
        } else if !note.noticed {
            self.unnoticed.insert(name.clone());
        }
        let queue = Queue::load(reader, &entity, row.head.offset)?;
        self.count(row.head.topic_partition(), row.waiting);
        self.entities.insert(name, Waiting { entity, row, note, note_changed: false, queue });
        Ok(())
    }

    /// Whether nothing is parked and nothing was decided of what is still to come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.entities.is_empty() && self.ahead.is_empty()
    }

    /// How many entities are parked.
    pub(crate) fn len(&self) -> usize {
        self.entities.len()
    }

    /// Whether anything that waits is being applied.
    pub(crate) fn is_releasing(&self) -> bool {
        !self.releasing.is_empty()
    }

    /// Whether the entity is parked.
    pub(crate) fn is_parked(&self, name: &str) -> bool {
        self.entities.contains_key(name)
    }

    /// Whether the record there waits, or would if it is the entity's.
    pub(super) fn waits(&self, entity: &Entity, at: Position) -> bool {
        self.entities.get(entity.name()).is_some_and(|waiting| waiting.holds(at))
    }

    /// Lets a record of a parked entity wait.
    pub(crate) fn wait(&mut self, name: &str, read: &Read, kind: Kind) {
        let Some(waiting) = self.entities.get_mut(name) else { return };
        waiting.queue.push(read.position.offset, kind);
        waiting.row.waiting = waiting.row.waiting.saturating_add(1);
        self.change(name);
        self.count(read.position.topic_partition(), 1);
    }

    /// Parks an entity.
    pub(crate) fn park(&mut self, new: New) {
        let New { entity, head, kind, error, since } = new;
        let name = entity.name().to_owned();
        let said = self.ahead.remove(&(head.topic_partition(), head.offset, name.clone())).unwrap_or_default();
        tracing::warn!(%entity, %head, %error, "an entity is parked");
        if !said.noticed {
            self.unnoticed.insert(name.clone());
        }
        let note = NoteRow {
            error,
            attempts: said.retries.saturating_add(1),
            code_version: super::code_version().to_owned(),
            since,
            noticed: said.noticed,
            releasing: false,
        };
        let row = ParkedRow { head, kind, waiting: 1 };
        self.count(head.topic_partition(), 1);
        self.change(&name);
        let queue = Queue::default();
        self.entities.insert(name, Waiting { entity, row, note, note_changed: true, queue });
    }

    /// From now on what waits is applied.
    pub(super) fn release(&mut self, name: &str) {
        let Some(waiting) = self.entities.get_mut(name) else { return };
        waiting.note_changed |= !waiting.note.releasing;
        waiting.note.releasing = true;
        let head = waiting.row.head;
        self.change(name);
        self.unnoticed.remove(name);
        self.releasing.insert((head.topic_partition(), head.offset, name.to_owned()));
    }

    /// The first head of those being applied.
    pub(crate) fn next_release(&self) -> Option<Position> {
        self.releasing.first().map(|(of, offset, _)| of.offset(*offset))
    }

    /// The entity whose head, to be applied, stands there.
    pub(crate) fn released_at(&self, at: Position) -> Option<(String, Kind)> {
        let of = at.topic_partition();
        let from = (of, at.offset, String::new());
        let (found, offset, name) = self.releasing.range(from..).next()?;
        let kind = self.entities.get(name)?.row.kind;
        ((*found, *offset) == (of, at.offset)).then(|| (name.clone(), kind))
    }

    /// The head is done, for that fate; the next that waits is the head now, and to be applied.
    pub(crate) fn advance(
        &mut self,
        view: &View,
        name: &str,
        fate: Fate,
        accounting: &mut Accounting,
    ) -> Result<(), Error> {
        let Some(waiting) = self.entities.get_mut(name) else { return Ok(()) };
        accounting.parked = accounting.parked.saturating_sub(1);
        accounting.count(fate);
        let (of, head) = (waiting.row.head.topic_partition(), waiting.row.head.offset);
        if let Some(count) = self.waiting.get_mut(&of) {
            *count = count.saturating_sub(1);
        }
        self.releasing.remove(&(of, head, name.to_owned()));
        self.unnoticed.remove(name);
        self.ahead.remove(&(of, head, name.to_owned()));
        let Some((offset, kind)) = waiting.queue.pop(view, &waiting.entity, head)? else {
            self.unpark(name);
            return Ok(());
        };
        waiting.row = ParkedRow { head: of.offset(offset), kind, waiting: waiting.row.waiting.saturating_sub(1) };
        if waiting.note.attempts > 0 {
            waiting.note = NoteRow { error: String::new(), attempts: 0, noticed: false, ..waiting.note.clone() };
            waiting.note_changed = true;
        }
        self.release(name);
        Ok(())
    }

    fn unpark(&mut self, name: &str) {
        let Some(waiting) = self.entities.remove(name) else { return };
        tracing::info!(entity = %waiting.entity, "nothing of the entity waits any more");
        self.deleted.extend(waiting.queue.emptied_keys(&waiting.entity));
        self.deleted.extend([parked_key(&waiting.entity), note_key(&waiting.entity)]);
    }

    /// The head still, or as well, can't be applied.
    pub(crate) fn fail(&mut self, name: &str, error: String, since: Timestamp) {
        let Some(waiting) = self.entities.get_mut(name) else { return };
        let head = waiting.row.head;
        tracing::warn!(entity = %waiting.entity, %head, error, "an entity is parked on");
        let key = (head.topic_partition(), head.offset, name.to_owned());
        self.releasing.remove(&key);
        let note = &mut waiting.note;
        if note.attempts == 0 {
            let said = self.ahead.remove(&key).unwrap_or_default();
            *note = NoteRow { attempts: said.retries.saturating_add(1), noticed: said.noticed, since, ..note.clone() };
        }
        note.error = error;
        super::code_version().clone_into(&mut note.code_version);
        note.releasing = false;
        waiting.note_changed = true;
        if !note.noticed {
            self.unnoticed.insert(name.to_owned());
        }
        self.change(name);
    }

    /// How many records of each partition wait.
    pub(crate) const fn waiting(&self) -> &BTreeMap<TopicPartition, u64> {
        &self.waiting
    }

    fn count(&mut self, of: TopicPartition, more: u64) {
        let waiting = self.waiting.entry(of).or_default();
        *waiting = waiting.saturating_add(more);
    }

    /// The entity's rows are to be written.
    pub(super) fn change(&mut self, name: &str) {
        if !self.changed.contains(name) {
            self.changed.insert(name.to_owned());
        }
    }

    /// Moves what changed into `changes`.
    pub(crate) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for key in self.deleted.drain(..) {
            changes.delete(key);
        }
        for (key, row) in std::mem::take(&mut self.decisions) {
            changes.put_row(key, &row)?;
        }
        for (key, row) in std::mem::take(&mut self.decided) {
            changes.put_row(key, &row)?;
        }
        for name in std::mem::take(&mut self.changed) {
            // One that is parked no more was deleted above.
            let Some(waiting) = self.entities.get_mut(&name) else { continue };
            changes.put_row(parked_key(&waiting.entity), &waiting.row)?;
            if std::mem::take(&mut waiting.note_changed) {
                changes.put_row(note_key(&waiting.entity), &waiting.note)?;
            }
            waiting.queue.write_rows(&waiting.entity, changes)?;
        }
        Ok(())
    }
}

impl Waiting {
    /// Whether that is the head or behind it.
    fn holds(&self, at: Position) -> bool {
        let head = self.row.head;
        head.topic_partition() == at.topic_partition() && head.offset <= at.offset
    }
}
