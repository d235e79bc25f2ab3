//! What is stored, and under which keys.

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Position;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::keys::{self, KeyBuilder};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::NOTIFIES;
use super::calls::Calls;

/// How many times a user's preferences may have changed and still be known; of events before that the oldest known ones count.
pub const PREFERENCES_KEPT: usize = 16;

/// How far a user has read, and what the user wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// Everything at and below this offset of the user's partition is read.
    pub read_up_to: Option<u64>,
    /// What is not told, from which offset on; the newest last.
    pub preferences: Vec<(u64, Muted)>,
    /// The newest calls that said what is read.
    pub read_calls: Calls,
    /// The newest calls that set preferences.
    pub preferences_calls: Calls,
}

/// Event types that a user isn't told of: bit n stands for the n-th of [`NOTIFIES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted(u16);

impl Muted {
    /// Whether that type is among them.
    pub fn has(self, of: EventType) -> bool {
        number_of(of).is_some_and(|number| self.0 & (1 << number) != 0)
    }

    /// The types.
    pub fn types(self) -> impl Iterator<Item = EventType> {
        NOTIFIES.into_iter().filter(move |of| self.has(*of))
    }
}

impl FromIterator<EventType> for Muted {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Muted {
        Muted(types.into_iter().filter_map(number_of).fold(0, |all, number| all | 1 << number))
    }
}

impl UserRow {
    /// What is not told of an event at that offset.
    pub fn muted_at(&self, offset: u64) -> Muted {
        let in_force = self.preferences.iter().rev().find(|(from, _)| *from <= offset);
        in_force.map_or(Muted::default(), |(_, muted)| *muted)
    }

    /// What is not told from that offset on; once too many changes are known, the oldest that still is counts for all before it.
    pub(super) fn mute(&mut self, from: u64, muted: Muted) {
        // A later one counts from no earlier position on.
        let from = self.preferences.last().map_or(from, |(last, _)| from.max(*last));
        self.preferences.retain(|(other, _)| *other != from);
        self.preferences.push((from, muted));
        if self.preferences.len() > PREFERENCES_KEPT {
            self.preferences.remove(0);
            if let Some((oldest, _)) = self.preferences.first_mut() {
                *oldest = 0;
            }
        }
    }

    /// What is not told of what comes next.
    pub fn muted(&self) -> Muted {
        self.preferences.last().map_or(Muted::default(), |(_, muted)| *muted)
    }
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRow {
    /// Where it is.
    pub url: String,
    /// Whose events alone.
    pub user_id: Option<UserId>,
    /// Of which types alone.
    pub event_types: Option<Vec<EventType>>,
    /// Which secret signs.
    pub secret_version: u32,
    /// Until then the secret before it signs, too.
    pub previous_until: Option<Timestamp>,
    /// Which key the secrets are made from.
    pub key_fingerprint: String,
    /// The first positions that it is told of.
    pub from: Vec<Position>,
    /// Where it was registered.
    pub registered: Position,
    /// The newest calls that set it, or asked to send something again.
    pub calls: Calls,
    /// How many dead letters it has.
    pub dead_letters: u64,
    /// It is told nothing any more; kept, so that the call that registered it is known.
    pub is_deleted: bool,
}

impl WebhookRow {
    /// Where the newest call stands that set it, or asked to send something again.
    pub fn at(&self) -> Position {
        self.calls.newest().map_or(self.registered, |call| call.at)
    }
}

/// How far a webhook was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarksRow {
    /// Everything below is done with, by partition of `orders`, but for those that are behind.
    pub next: Vec<Position>,
    /// Accounts that are behind it: the account, its first event that is not done with, how often that was tried.
    pub behind: Vec<(UserId, Position, u32)>,
    /// The newest request to send again that is done with.
    pub resent: Option<Position>,
}

/// Secrets of a webhook that sign beside the newest two: which version, and until when; the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRow(pub Vec<(u32, Timestamp)>);

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// Whose event.
    pub user_id: UserId,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong the last time.
    pub error: String,
    /// At which offset of the webhook's partition of `notifications` it was given up.
    pub given_up: u64,
}

/// What is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendRow {
    /// Under which call.
    pub event_id: Uuid,
    /// Whose events alone.
    pub user_id: Option<UserId>,
    /// From here on,
    pub from: Position,
    /// up to here, both included.
    pub to: Position,
}

/// The number of a type in rows: its place in [`NOTIFIES`], which only ever grows at its end.
pub fn number_of(of: EventType) -> Option<u8> {
    NOTIFIES.iter().position(|notifies| *notifies == of).and_then(|at| u8::try_from(at).ok())
}

/// The type of that number.
pub fn type_of(number: u8) -> Option<EventType> {
    NOTIFIES.get(usize::from(number)).copied()
}

pub(super) fn notification_key(user: &UserId, offset: u64) -> Bytes {
    KeyBuilder::new(keys::NOTIFICATION).name(user.as_str()).u64(offset).build()
}

pub(super) fn user_key(user: &UserId) -> Bytes {
    KeyBuilder::new(keys::NOTIFIED).name(user.as_str()).build()
}

pub(super) fn webhook_key(prefix: u8, webhook: Uuid) -> KeyBuilder {
    KeyBuilder::new(prefix).name(&webhook.to_string())
}

pub(super) fn place_key(prefix: u8, webhook: Uuid, at: Position) -> Bytes {
    webhook_key(prefix, webhook).u32(at.partition).u64(at.offset).build()
}
