//! The ledger put together: log, stages, projections, and what handlers and commands see of them.
//!
//! Everything that names concrete parts is here; the workers run beside what this page lists.

mod gates;
mod open;
mod rebuild;
mod settled;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use orderledger_domain::entity::Entity;
use orderledger_domain::partition;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::parking::dry_run::DryRun;
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::partition::PartitionState;
use orderledger_projections::worker::progress::{PartitionProgress, Progress, Standing};
use orderledger_store::Error;
use orderledger_store::event_log::{Appender, EventLog};
use orderledger_store::views::{View, ViewReader};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) use gates::Gates;
pub(crate) use open::PARTITIONS;
pub use open::{Opened, Settings, Workers, open_log, open_log_to_look};
pub use rebuild::{Rebuilt, Verified, fold_from_zero, rebuild, verify};

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
    pub settlement: ViewHandle,
    /// The tape and what follows from it.
    pub market: ViewHandle,
    /// The log itself, byte for byte.
    pub audit: ViewHandle,
    /// The order books.
    pub board: Arc<Board>,
    /// Writes on their way to the log; so few that the log's own queue is never full.
    pub writes: Semaphore,
    /// Operators' decisions about parked entities: where the last one stands.
    pub(crate) decisions: Gates<Position>,
    /// The keys that they are made under, passed first: the last one's, whom it is about and where it stands.
    pub(crate) decision_keys: Gates<(Uuid, Entity, Position)>,
    /// How long a write may take until it is `outcome-unknown`.
    pub answer_within: Duration,
}

/// One projection: its live generation.
pub struct ViewHandle {
    /// The projection's name.
    pub name: &'static str,
    /// The topics whose records make its rows.
    pub topics: &'static [Topic],
    /// Tries what waits of an entity, without writing anything.
    pub try_parked: TryParked,
    /// The generation that answers.
    pub live: ArcSwap<Generation>,
    /// Reads a view's head.
    pub read_head: fn(&Bytes) -> Result<BTreeMap<TopicPartition, PartitionState>, Error>,
}

/// How a projection tries what waits of an entity.
pub type TryParked = fn(&View, &dyn EventLog, &StreamKey, &Entity, usize) -> Result<Option<DryRun>, Error>;

/// One generation of a projection.
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Its rows.
    pub view: Arc<View>,
    /// How far its worker is.
    pub progress: Progress,
}

/// One moment of a view: rows and positions that belong together.
pub(crate) struct Moment {
    /// The rows.
    pub(crate) reader: ViewReader,
    /// The positions of just these rows.
    pub(crate) partitions: BTreeMap<TopicPartition, PartitionProgress>,
}

impl ViewHandle {
    /// The view as it is now.
    pub(crate) fn moment(&self) -> Result<Moment, Error> {
        let reader = self.live.load().view.reader()?;
        let states = (self.read_head)(reader.head())?;
        let partitions = states.iter().map(|(of, state)| (*of, PartitionProgress::from(state))).collect();
        Ok(Moment { reader, partitions })
    }

    /// Waits until the live generation's standing fulfils `reached`.
    pub(crate) async fn wait(&self, within: Duration, reached: impl Fn(&Standing) -> bool) -> bool {
        let progress = self.live.load().progress.clone();
        progress.wait(within, reached).await
    }
}

impl Ledger {
    /// The three views.
    pub const fn views(&self) -> [&ViewHandle; 3] {
        [&self.settlement, &self.market, &self.audit]
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
