//! Records of which types.

use orderledger_domain::event::EventType;
use orderledger_domain::position::Topic;
use orderledger_domain::said::{self, Said};

use super::super::block::StoredRecord;
use super::super::rows::{self, TypeSet};

/// As how many blocks of which only the head is looked at.
const UNPACKED: usize = 31;

/// Types of events and of what stands in `notifications` ([`Said::TYPES`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types {
    pub(super) events: TypeSet,
    /// A bit for each of [`Said::TYPES`]. Rows know no numbers of these, so records are read for them.
    said: u64,
}

impl Types {
    /// Every type, and records without one.
    pub const ALL: Types = Types { events: TypeSet::ALL, said: 0 };

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Types> {
        let said = || Said::TYPES.iter().position(|(known, _)| *known == name);
        match EventType::from_name(name) {
            Some(event) => Some(Types { events: [event].into_iter().collect(), said: 0 }),
            None => Some(Types { events: TypeSet::default(), said: 1_u64.checked_shl(u32::try_from(said()?).ok()?)? }),
        }
    }

    /// Those of blocks that may have one of it.
    pub(super) fn in_blocks_of(self, topic: Topic) -> TypeSet {
        let mut types = self.events;
        if self.said != 0 && topic == Topic::Notifications {
            types.add(TypeSet::of_number(rows::type_number(None)));
        }
        types
    }

    /// As how many more blocks one counts that is unpacked to look for them.
    pub(super) fn costs(self, topic: Topic) -> usize {
        if self.said != 0 && topic == Topic::Notifications { UNPACKED } else { 0 }
    }

    /// Whether the record is of one of them.
    pub(super) fn has(self, record: &StoredRecord) -> bool {
        let said =
            |spoken: said::Spoken| Types::from_name(spoken.said.name()).is_some_and(|of| of.said & self.said != 0);
        TypeSet::of_number(rows::type_number(record.event_type)).meets(self.events)
            || (self.said != 0
                && record.position.topic == Topic::Notifications
                && said::read(record.value.as_deref()).is_ok_and(said))
    }
}

impl FromIterator<Types> for Types {
    fn from_iter<I: IntoIterator<Item = Types>>(types: I) -> Types {
        types.into_iter().fold(Types::default(), |mut all, of| {
            all.events.add(of.events);
            Types { said: all.said | of.said, ..all }
        })
    }
}
