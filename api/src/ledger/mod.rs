//! The ledger put together: log, stages, projections, and what handlers and commands see of them.
//!
//! Everything that names concrete parts is here; the workers run beside what this page lists.

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod at_rest;
mod conditions;
mod event_at;
mod gates;
mod kinds;
mod open;
pub(crate) mod rebuild;
pub(crate) mod restore;
mod settled;
mod start;
mod view_handle;

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::entity::Entity;
use orderledger_domain::ids::{CANARY_SYMBOL, Symbol};
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::queries::Recent;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::progress::Progress;
use orderledger_store::Error;
use orderledger_store::event_log::{Appender, EventLog};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) use conditions::Conditions;
pub(crate) use gates::Gates;
pub(crate) use kinds::Kind;
pub use open::{Opened, Settings, Workers, open_log, open_log_to_look};
pub(crate) use open::{PARTITIONS, REBUILD_SHARE, WRITES_MAX};
pub use rebuild::Acceptance;
pub use rebuild::growth::{GROWTH_MIN, QuietHours, Tidying};
pub use rebuild::offline::{Rebuilt, Verified, Written, fold_from_zero, rebuild, rebuild_into, verify};
pub(crate) use view_handle::Moment;
pub use view_handle::{Generation, ViewHandle};

use crate::lag::Watch;
use crate::streams::Streams;
use crate::webhooks::Webhooks;
use open::EXPORTS_MAX;
use rebuild::live::Rebuilds;

/// Where control events stand: partition 0, under this key.
pub(crate) const CONTROL: &str = "_control";

/// What every call works with.
pub struct Ledger {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Where writes go.
    pub appender: Box<dyn Appender>,
    /// How many partitions every topic has.
    pub partitions: u32,
    /// The key of the streams.
    pub key: StreamKey,
    /// What intake said, as soon as it is acknowledged.
    pub answers: Arc<Answers>,
    /// Of `orders`: judged, with every output acknowledged.
    pub intake: Progress,
    /// Of `books`: applied, with every output acknowledged.
    pub matching: Progress,
    /// Balances, orders, fills, postings, withdrawals.
    pub settlement: Arc<ViewHandle>,
    /// The tape and what follows from it.
    pub market: Arc<ViewHandle>,
    /// The log itself, byte for byte.
    pub audit: Arc<ViewHandle>,
    /// Inboxes, and how far each webhook was told.
    pub notifications: Arc<ViewHandle>,
    /// What was traded and asked for, by day, symbol and account.
    pub analytics: Arc<ViewHandle>,
    /// Records of the log that were asked for lately.
    pub(crate) recent: Arc<Recent>,
    /// The order books.
    pub board: Arc<Board>,
    /// Writes on their way to the log; so few that the log's own queue is never full.
    pub writes: Semaphore,
    /// Lists that are being streamed.
    pub(crate) exports: Arc<Semaphore>,
    /// Operators' decisions about parked entities: where the last one stands.
    pub(crate) decisions: Gates<Position>,
    /// The keys that they are made under, passed first: the last one's, whom it is about and where it stands.
    pub(crate) decision_keys: Gates<(Uuid, Entity, Position)>,
    /// How long a write may take until it is `outcome-unknown`.
    pub answer_within: Duration,
    /// Of a core, in percent, what a rebuild may take.
    pub(crate) rebuild_share: u32,
    /// Bytes that a rebuild may hold in memory.
    pub(crate) memory_limit: u64,
    /// Who listens to what.
    pub(crate) streams: Streams,
    /// How far everything is behind the log.
    pub(crate) lag: Watch,
    /// Who is told, from what secrets are made, and how that goes.
    pub(crate) webhooks: Webhooks,
    /// What rebuilds.
    pub(crate) rebuilds: Arc<Rebuilds>,
    /// What the workers of views are started with.
    pub(crate) conditions: Conditions,
}

impl Ledger {
    /// The views.
    pub const fn views(&self) -> [&Arc<ViewHandle>; 5] {
        [&self.settlement, &self.market, &self.audit, &self.notifications, &self.analytics]
    }

    /// The two stages, and how far they are.
    pub(crate) const fn stages(&self) -> [(&'static str, &Progress); 2] {
        [("intake", &self.intake), ("matching", &self.matching)]
    }

    /// The view in which such an entity may be parked.
    pub(crate) fn view_parking(&self, entity: &Entity) -> fn(&Ledger) -> &ViewHandle {
        match entity {
            Entity::User(_) => |ledger| &ledger.settlement,
            Entity::Symbol(_) => |ledger| &ledger.market,
        }
    }

    /// The partition that holds all of an entity's records that its view reads.
    pub(crate) fn home_of(&self, entity: &Entity) -> TopicPartition {
        match entity {
            Entity::User(user) => self.orders_of(user.as_str()),
            Entity::Symbol(symbol) => self.partition_of_symbol(Topic::Trades, symbol.as_str()),
        }
    }

    /// The partition of `orders` that holds all of a user's events.
    pub(crate) fn orders_of(&self, user: &str) -> TopicPartition {
        Topic::Orders.at(partition::of_key(user.as_bytes(), self.partitions))
    }

    /// How many lists are being streamed.
    pub(crate) fn open_exports(&self) -> usize {
        EXPORTS_MAX.saturating_sub(self.exports.available_permits())
    }

    /// Every market but the canary's, in order.
    pub(crate) fn markets(&self) -> Vec<Symbol> {
        self.board.symbols().into_iter().filter(|symbol| symbol.as_str() != CANARY_SYMBOL).collect()
    }

    /// The partition of `topic` that holds a symbol.
    pub(crate) fn partition_of_symbol(&self, topic: Topic, symbol: &str) -> TopicPartition {
        topic.at(partition::of_key(symbol.as_bytes(), self.partitions))
    }

    /// Every partition of a topic.
    pub(crate) fn all_of(&self, topic: Topic) -> impl Iterator<Item = TopicPartition> + use<> {
        (0..self.partitions).map(move |partition| topic.at(partition))
    }

    /// The end of a partition, asked off the threads that serve: on Kafka a question to the cluster. Where what other
    /// programs wrote in the last second may be missing, [`EventLog::known_end`] does.
    pub(crate) async fn end_of(self: &Arc<Ledger>, of: TopicPartition) -> Result<u64, Error> {
        let ledger = Arc::clone(self);
        let asked = blocking(move || ledger.log.end_offset(of));
        let late = |_| Error::unavailable(of, "the log doesn't say where it ends");
        tokio::time::timeout(self.answer_within, asked).await.map_err(late)?
    }
}

/// Runs what may block on a thread made for that; a panic there is a panic here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is going down and nobody is left to hear the answer.
            Err(_canceled) => std::future::pending().await,
        },
    }
}

/// The moment it is.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
