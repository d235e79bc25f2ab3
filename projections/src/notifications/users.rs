//! What users have read, and what they want to be told.

use std::collections::BTreeMap;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};
use orderledger_store::Error;
use orderledger_store::views::{Changes, ViewReader};
use uuid::Uuid;

use super::calls::{Asked, Call};
use super::rows::{self, UserRow};
use super::said::{NotificationsRead, PreferencesSet, Said};

/// The rows that changed since the last batch.
#[derive(Debug, Default)]
pub(super) struct Users {
    changed: BTreeMap<UserId, UserRow>,
}

impl Users {
    /// Takes what a user says; false if it changes nothing.
    pub(super) fn hear(
        &mut self,
        reader: &ViewReader,
        event_id: Uuid,
        at: Position,
        said: &Said,
    ) -> Result<bool, Error> {
        let (user, about) = match said {
            Said::NotificationsRead(NotificationsRead { user_id, up_to }) => (user_id, *up_to),
            Said::NotificationPreferencesSet(PreferencesSet { user_id, from, .. }) => (user_id, *from),
            _ => return Ok(false),
        };
        // A user's key gives the same partition in both topics.
        if (about.topic, about.partition) != (Topic::Orders, at.partition) {
            return Ok(false);
        }
        let mut row = match self.changed.remove(user) {
            Some(row) => row,
            None => reader.get_row(&rows::user_key(user))?.unwrap_or_default(),
        };
        // The same call again changes nothing.
        let is_new = row.read_calls.find(event_id).or_else(|| row.preferences_calls.find(event_id)).is_none();
        match said {
            Said::NotificationPreferencesSet(set) if is_new => {
                let muted = set.muted.iter().copied().collect();
                row.mute(about.offset, muted);
                row.preferences_calls.push(Call { event_id, at, asked: Asked::Mute(muted) });
            }
            Said::NotificationsRead(_) if is_new => {
                row.read_up_to = row.read_up_to.max(Some(about.offset));
                row.read_calls.push(Call { event_id, at, asked: Asked::Read(about) });
            }
            _ => {}
        }
        self.changed.insert(user.clone(), row);
        Ok(is_new)
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) -> Result<(), Error> {
        for (user, row) in std::mem::take(&mut self.changed) {
            changes.put_row(rows::user_key(&user), &row)?;
        }
        Ok(())
    }
}
