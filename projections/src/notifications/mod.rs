//! notifications: what a user is told, and how far each webhook was told of it.
//!
//! In: `orders`, and what stands in `notifications`. Out: an inbox for each user; webhooks with their marks and dead letters.
//! Invariant: a row follows from the records of its own partition alone, so a fold from zero gives the same rows.
//! Never: an effect. Who sends (the edge) reads these rows, and writes how far it got into `notifications`: so whatever
//! becomes of a view, nothing is sent again.
//!
//! - [`said`]: what records of `notifications` say
//! - [`rows`]: what is stored, and under which keys
//! - [`calls`]: what a retry is known by
//! - `users`, `webhooks`, `dead_letters`: the fold over `notifications`
//! - [`queries`]: what HTTP and the senders read
//! - [`deliveries`]: in which order a webhook is told, and what comes next after a failure

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::views::{Changes, View};

use crate::worker::fold::{Failure, Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

pub mod calls;
mod dead_letters;
pub mod deliveries;
pub mod queries;
pub mod rows;
pub mod said;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
mod users;
mod webhooks;

use said::{Said, Spoken};
use users::Users;
use webhooks::Webhooks;

/// What a user is told of: what others or the rules did, not what the answer to a call has said already.
pub const NOTIFIES: [EventType; 11] = [
    EventType::AccountCredited,
    EventType::AccountDebited,
    EventType::WithdrawalRejected,
    EventType::OrderRejected,
    EventType::OrderCanceled,
    EventType::CancelRejected,
    EventType::OrderAmended,
    EventType::AmendRejected,
    EventType::OrderFilled,
    EventType::OrderExpired,
    EventType::AccountAdjusted,
];

/// The fold. In memory: the webhooks, which are few, and the rows that changed since the last batch.
#[derive(Debug, Default)]
pub struct Notifications {
    partitions: u32,
    told: Vec<(Bytes, u8)>,
    users: Users,
    webhooks: Webhooks,
}

impl Fold for Notifications {
    const NAME: &'static str = "notifications";
    const TOPICS: &'static [Topic] = &[Topic::Orders, Topic::Notifications];
    const SCHEMA: u8 = 2;
    /// Nobody waits for it: fewer, larger batches leave more to the others.
    const PACE: std::time::Duration = std::time::Duration::from_millis(250);

    fn load(view: &View, partitions: u32) -> Result<Notifications, Error> {
        let webhooks = Webhooks::load(&view.reader()?)?;
        Ok(Notifications { partitions, webhooks, ..Notifications::default() })
    }

    /// Total: what it doesn't understand tells nobody anything, and stops nobody else's.
    fn apply(&mut self, view: &View, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        let applied = match read.position.topic {
            Topic::Orders => self.tell(read, arrived),
            Topic::Notifications => self.hear(view, read)?,
            Topic::Books | Topic::Trades | Topic::DeadLetters => false,
        };
        Ok(if applied { Outcome::Applied } else { Outcome::Ignored })
    }

    fn write_rows(&mut self, _: &View, changes: &mut Changes) -> Result<(), Error> {
        for (key, number) in self.told.drain(..) {
            changes.put_row(key, &number)?;
        }
        self.users.write_rows(changes)?;
        self.webhooks.write_rows(changes)
    }
}

impl Notifications {
    fn tell(&mut self, read: &Read, arrived: Arrived) -> bool {
        let Some((user, of)) = told_of(read).filter(|_| arrived == Arrived::Derived) else { return false };
        let Some(number) = rows::number_of(of) else { return false };
        self.told.push((rows::notification_key(user, read.position.offset), number));
        true
    }

    fn hear(&mut self, view: &View, read: &Read) -> Result<bool, Error> {
        let Ok(Spoken { event_id, said, .. }) = said::read(read.value.as_deref()) else { return Ok(false) };
        // Whoever writes under another's key, or elsewhere, writes nothing that counts.
        let key = said::key_of(&said);
        if read.key.as_deref() != Some(key.as_bytes())
            || said::place_of(&key, self.partitions) != read.position.topic_partition()
        {
            return Ok(false);
        }
        match said {
            Said::NotificationsRead(_) | Said::NotificationPreferencesSet(_) => {
                self.users.hear(&view.reader()?, event_id, read.position, &said)
            }
            webhooks => Ok(self.webhooks.hear(event_id, read.position, webhooks)),
        }
    }
}

/// Whom the record would tell of what, if it is what it says.
pub fn told_of(read: &Read) -> Option<(&UserId, EventType)> {
    let envelope = read.envelope.as_ref().ok()?;
    let user = envelope.event.as_ref().ok()?.user_id()?;
    let is_own = read.key.as_deref() == Some(user.as_str().as_bytes());
    (is_own && NOTIFIES.contains(&envelope.event_type)).then_some((user, envelope.event_type))
}
