//! What `dead-letters` says of a projection's records: operators' decisions, and the notices that were read back.

use std::collections::BTreeMap;

use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::envelope::Envelope;
use orderledger_domain::event::{Event, EventType, ParkedDecision};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_store::Error;
use orderledger_store::views::View;

use super::entities::Parking;
use super::rows::{DecidedRow, DecisionRow, Verdict, decided_key, decision_key};
use crate::worker::partition::{Fate, PartitionState};
use crate::worker::read::Read;

/// What was said of a record that is not met yet, or waits behind a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    discarded: bool,
    pub(super) retries: u32,
    pub(super) noticed: bool,
}

/// Whose decisions are heard.
pub(crate) struct Hearer<'a> {
    /// The projection's name.
    pub(crate) projection: &'static str,
    /// The kind of its entities.
    pub(crate) kind: EntityKind,
    /// Where their records stand: these topics, each entity's in the partition of its name.
    pub(crate) topics: &'static [Topic],
    /// Partitions of every topic.
    pub(crate) partitions: u32,
    /// Its rows.
    pub(crate) view: &'a View,
    /// How far it knows each partition.
    pub(crate) states: &'a BTreeMap<TopicPartition, PartitionState>,
}

impl Parking {
    /// Takes a record of `dead-letters` that is in no stream. A decision about another projection's record, or of an entity
    /// or a partition that it can't belong to, changes nothing.
    pub(crate) fn hear(&mut self, by: &Hearer<'_>, read: &Read) -> Result<Fate, Error> {
        let Ok(Envelope { event_id, event: Ok(event), .. }) = &read.envelope else { return Ok(Fate::Ignored) };
        let (projection, about) = match event {
            Event::EntityParked(notice) => (&notice.projection, notice.position),
            Event::ParkedRetried(decision) | Event::ParkedDiscarded(decision) => {
                (&decision.projection, decision.position)
            }
            _ => return Ok(Fate::Ignored),
        };
        let whose = read.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.parse::<Entity>().ok());
        let Some(entity) = whose.filter(|entity| entity.kind() == by.kind && projection == by.projection) else {
            return Ok(Fate::Ignored);
        };
        let home = of_key(entity.name().as_bytes(), by.partitions);
        if (about.partition, read.position.partition) != (home, home) || !by.topics.contains(&about.topic) {
            return Ok(Fate::Ignored);
        }
        let (Event::ParkedRetried(decision) | Event::ParkedDiscarded(decision)) = event else {
            self.notice(by, &entity, about);
            return Ok(Fate::Ignored);
        };
        let key = decision_key(*event_id, read.position.partition);
        if self.decisions.contains_key(&key) || by.view.reader()?.get(&key)?.is_some() {
            return Ok(Fate::Duplicate);
        }
        let is_discard = event.event_type() == EventType::ParkedDiscarded;
        let verdict = if is_discard { Verdict::Discarded } else { Verdict::Retried };
        let ParkedDecision { reason, actor, after, .. } = decision.clone();
        let decided = decided_key(&entity, about);
        let newest = match self.decided.get(&decided) {
            Some(newest) => Some(*newest),
            None => by.view.reader()?.get_row(&decided)?,
        };
        let void = after != newest.map(|DecidedRow(at)| at);
        let row = DecisionRow { at: read.position, verdict, entity, about, reason, actor, void };
        if !void {
            self.decide(by, &row);
            self.decided.insert(decided, DecidedRow(read.position));
        }
        self.decisions.insert(key, row);
        Ok(if void { Fate::Rejected } else { Fate::Applied })
    }

    fn decide(&mut self, by: &Hearer<'_>, row: &DecisionRow) {
        let (name, about) = (row.entity.name(), row.about);
        let is_to_come = self.is_to_come(by, &row.entity, about);
        let head = self.entities.get_mut(name).filter(|waiting| waiting.row.head == about);
        match (head, row.verdict) {
            // A head that was not tried yet is as one that waits.
            (Some(waiting), Verdict::Retried) if waiting.note.attempts > 0 => {
                waiting.note.attempts = waiting.note.attempts.saturating_add(1);
                waiting.note_changed = true;
                self.release(name);
            }
            (Some(_), Verdict::Discarded) => {
                // It is passed over in its place, as those that wait are applied.
                self.say_ahead(row);
                self.release(name);
            }
            _ if is_to_come => self.say_ahead(row),
            (_, Verdict::Discarded) => {
                let at = row.at;
                tracing::error!(
                    projection = by.projection, entity = %row.entity, %about, %at,
                    "a record was discarded that this view has applied: another program decided; rebuild the view"
                );
            }
            (_, Verdict::Retried) => {}
        }
    }

    /// Whether the record is still to be met, or waits.
    fn is_to_come(&self, by: &Hearer<'_>, entity: &Entity, about: Position) -> bool {
        let met = by.states.get(&about.topic_partition()).map_or(0, |state| state.next_offset);
        about.offset >= met || self.waits(entity, about)
    }

    fn notice(&mut self, by: &Hearer<'_>, entity: &Entity, about: Position) {
        let is_to_come = self.is_to_come(by, entity, about);
        let name = entity.name();
        match self.entities.get_mut(name).filter(|waiting| waiting.row.head == about && waiting.note.attempts > 0) {
            Some(waiting) => {
                waiting.note.noticed = true;
                waiting.note_changed = true;
                self.unnoticed.remove(name);
                self.change(name);
            }
            None if is_to_come => self.ahead_of(entity, about).noticed = true,
            None => {}
        }
    }

    /// Remembers a decision about a record that is not met yet, or waits.
    pub(super) fn say_ahead(&mut self, row: &DecisionRow) {
        let ahead = self.ahead_of(&row.entity, row.about);
        match row.verdict {
            Verdict::Retried => ahead.retries = ahead.retries.saturating_add(1),
            Verdict::Discarded => ahead.discarded = true,
        }
    }

    fn ahead_of(&mut self, entity: &Entity, about: Position) -> &mut Ahead {
        self.ahead.entry((about.topic_partition(), about.offset, entity.name().to_owned())).or_default()
    }

    /// Whether the entity's record there is never to be applied.
    pub(crate) fn is_discarded(&self, at: Position, name: &str) -> bool {
        let key = (at.topic_partition(), at.offset, name.to_owned());
        !self.ahead.is_empty() && self.ahead.get(&key).is_some_and(|ahead| ahead.discarded)
    }

    /// The record there was met and doesn't wait: nothing that was said of it counts any more.
    pub(crate) fn forget_ahead(&mut self, at: Position) {
        let of = at.topic_partition();
        while let Some(key) = self.ahead.range((of, at.offset, String::new())..).next().map(|(key, _)| key.clone()) {
            if (key.0, key.1) != (of, at.offset) {
                return;
            }
            self.ahead.remove(&key);
        }
    }
}
