//! `notifications:{userId}`: what the user is told, once each, in the order of the log. Its index is the offset.

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_projections::notifications::queries::{Inbox, Notification, entries, inbox};
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::channel::Channel;
use super::hub::{Past, Stretch};
use super::look::Look;
use super::message::Message;
use crate::rows::NotificationRow;

/// The inbox of one user.
pub(super) struct Notifications {
    user: UserId,
    home: TopicPartition,
}

impl Notifications {
    pub(super) const fn new(user: UserId, home: TopicPartition) -> Notifications {
        Notifications { user, home }
    }

    /// From an index on.
    fn query(&self, from: u64, limit: usize) -> Inbox<'_> {
        let after = from.checked_sub(1);
        Inbox { user: &self.user, types: None, unread: false, direction: Direction::Ascending, after, limit }
    }
}

impl Past for Notifications {
    fn end(&mut self, look: &Look<'_>) -> Result<u64, Error> {
        Ok(look.notifications()?.next_offset(self.home))
    }

    fn behind(&mut self, _look: &Look<'_>, place: Position) -> Result<u64, Error> {
        Ok(place.offset.saturating_add(1))
    }

    fn place_before(&mut self, _look: &Look<'_>, index: u64) -> Result<Option<Position>, Error> {
        Ok(index.checked_sub(1).map(|offset| self.home.offset(offset)))
    }

    fn count(&mut self, look: &Look<'_>, from: u64, max: usize) -> Result<usize, Error> {
        // What was muted isn't told, but has to be passed over: an inbox full of it would be read whole.
        entries(&look.notifications()?.reader, &self.user, from, max)
    }

    fn read(&mut self, look: &Look<'_>, from: u64, to: u64, limit: usize) -> Result<Stretch, Error> {
        let (page, next) = inbox(&look.notifications()?.reader, &self.query(from, limit))?;
        let next = next.map_or(to, |last| last.saturating_add(1).min(to));
        let (channel, mut messages) = (Channel::Notifications(self.user.clone()), Vec::new());
        for Notification { offset, event_type, is_read } in page.into_iter().filter(|one| one.offset < to) {
            let at = self.home.offset(offset);
            let (recorded_at, value) = look.ledger.event_at(at)?;
            let row = NotificationRow::new(at, event_type, is_read, (recorded_at, &value));
            messages.extend(Message::new(&channel, &row, Some(at)));
        }
        Ok(Stretch { messages, next })
    }
}
