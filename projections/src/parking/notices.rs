//! Notices: what `dead-letters` is told of a head that can't be applied. They are for people and other programs; what is
//! parked stands in the view, and a notice that comes twice changes nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::envelope::write_outside;
use orderledger_domain::event::{EntityParked, Event};
use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::Error;
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord};
use uuid::Uuid;

use super::entities::Parking;
use crate::worker::clock::Clock;

/// Notices on their way at once.
const UNREAD_MAX: usize = 100;
/// How long nothing is told after the log took nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be told of one head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    entity: Entity,
    at: Position,
    error: String,
    since: Timestamp,
}

impl Parking {
    /// Whether there is a head that nothing is known to have been told of.
    pub(crate) fn has_unnoticed(&self) -> bool {
        !self.unnoticed.is_empty()
    }

    /// Heads that nothing is known to have been told of, but those that are on their way.
    fn unnoticed<'a>(&'a self, on_their_way: &'a BTreeSet<Position>) -> impl Iterator<Item = Notice> + 'a {
        let waiting = self.unnoticed.iter().filter_map(|name| self.entities.get(name));
        waiting.filter(|waiting| !on_their_way.contains(&waiting.row.head)).map(|waiting| Notice {
            entity: waiting.entity.clone(),
            at: waiting.row.head,
            error: waiting.note.error.clone(),
            since: waiting.note.since,
        })
    }
}

impl Notice {
    /// The record that says it; the same notice has the same id.
    fn record(self, projection: &str) -> NewRecord {
        let key = self.entity.to_string();
        let parked = EntityParked {
            projection: projection.to_owned(),
            entity: key.clone(),
            position: self.at,
            error: self.error,
        };
        let value = write_outside(notice_id(projection, self.at), self.since, &Event::EntityParked(parked), projection);
        let to = Topic::DeadLetters.at(self.at.partition);
        NewRecord { to, key: Some(Bytes::from(key)), value: Some(Bytes::from(value)), headers: Vec::new() }
    }
}

/// The eventId of the notice that a projection can't apply the record there: UUIDv5 of both.
pub fn notice_id(projection: &str, at: Position) -> Uuid {
    const NAMESPACE: Uuid = Uuid::from_u128(0x6f72_6465_726c_6564_6765_7220_7061_726b);
    Uuid::new_v5(&NAMESPACE, format!("{projection}:{at}").as_bytes())
}

/// Tells `dead-letters`, without holding anything up.
pub(crate) struct Notices {
    log: Arc<dyn EventLog>,
    projection: &'static str,
    clock: Clock,
    /// Made with the first notice.
    appender: Option<Box<dyn Appender>>,
    /// Told, and not read back yet.
    unread: BTreeSet<Position>,
    failed: Arc<Mutex<Vec<(Position, Error)>>>,
    not_before: Duration,
}

impl Notices {
    /// Nothing told yet.
    pub(crate) fn new(log: Arc<dyn EventLog>, projection: &'static str, clock: Clock) -> Notices {
        let (unread, failed, not_before) = (BTreeSet::new(), Arc::default(), Duration::ZERO);
        Notices { log, projection, clock, appender: None, unread, failed, not_before }
    }

    /// Tells of the heads that have not been told of. What the log doesn't take is told again later.
    pub(crate) fn tell(&mut self, parking: &Parking) {
        if !parking.has_unnoticed() {
            self.unread.clear();
            return;
        }
        // Those that were read back, or are no heads any more, make room.
        let heads = parking.unnoticed.iter().filter_map(|name| parking.entities.get(name));
        let heads: BTreeSet<Position> = heads.map(|waiting| waiting.row.head).collect();
        self.unread.retain(|at| heads.contains(at));
        let failed = std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        for (at, error) in failed {
            self.unread.remove(&at);
            self.put_off(&error);
        }
        if self.clock.now() < self.not_before {
            return;
        }
        let room = UNREAD_MAX.saturating_sub(self.unread.len());
        let due: Vec<Notice> = parking.unnoticed(&self.unread).take(room).collect();
        for notice in due {
            let at = notice.at;
            if let Err(error) = self.append(notice) {
                self.put_off(&error);
                return;
            }
            self.unread.insert(at);
        }
    }

    fn append(&mut self, notice: Notice) -> Result<(), Error> {
        let appender = match &self.appender {
            Some(appender) => appender,
            None => self.appender.insert(self.log.appender(AppenderKind::Client)?),
        };
        let (at, failed) = (notice.at, Arc::clone(&self.failed));
        let done = move |outcome: Result<Vec<u64>, Error>| {
            if let Err(error) = outcome {
                failed.lock().unwrap_or_else(PoisonError::into_inner).push((at, error));
            }
        };
        appender.append(vec![notice.record(self.projection)], Box::new(done))
    }

    fn put_off(&mut self, error: &Error) {
        tracing::warn!(projection = self.projection, %error, "the log took no notice of what is parked; it is told again");
        self.not_before = self.clock.now().saturating_add(PAUSE);
    }
}
