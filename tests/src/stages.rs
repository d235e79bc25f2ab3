//! A log in memory with both stages running on it, and outside records by hand: tests without the program's edge.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::envelope::{self, Envelope};
use orderledger_domain::event::{Deposit, Event, OrderCancelRequested, OrderCreated};
use orderledger_domain::ids::{Asset, OrderId, Symbol, UserId};
use orderledger_domain::money::{Amount, Price, Quantity};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{Arrival, StreamId, StreamKey, StreamMarks};
use orderledger_domain::terms::{OrderType, Side};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::matching::Matching;
use orderledger_projections::stage::gate::{Gate, Place};
use orderledger_projections::stage::runner::{self, Setup};
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::progress::{Progress, Standing, WorkerState};
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord, Record};
use orderledger_store::{Error, IdIndex};
use uuid::Uuid;

/// Partitions of every topic of these logs.
pub const PARTITIONS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// Both stages, running.
pub struct Stages {
    stop: Stop,
    intake: Option<runner::Running>,
    matching: Option<runner::Running>,
    /// How far intake is.
    pub intake_progress: Progress,
    /// How far matching is.
    pub matching_progress: Progress,
}

impl Stages {
    /// Starts both without a secret key, their files below `dir`.
    pub fn start(log: &Arc<MemoryLog>, dir: &Path) -> Result<Stages, Error> {
        Stages::start_keyed(log, dir, StreamKey::default())
    }

    /// Starts both with the key of their streams, their files below `dir`.
    pub fn start_keyed(log: &Arc<MemoryLog>, dir: &Path, key: StreamKey) -> Result<Stages, Error> {
        let stop = Stop::default();
        let (intake, matching) = (Progress::new(Standing::default()), Progress::new(Standing::default()));
        let log: Arc<dyn EventLog> = Arc::clone(log) as Arc<dyn EventLog>;
        let board = Arc::new(Board::default());
        let gate = Gate::default();
        let (of_matching, of_intake) = (gate.place(), gate.place());
        let books = setup((&log, key), Topic::Books, dir, board, (&matching, of_matching), &stop);
        let running_matching = runner::start::<Matching>(books)?;
        let ids = Identities::new(IdIndex::open(&dir.join("ids.redb"))?);
        let orders = setup((&log, key), Topic::Orders, dir, ids, (&intake, of_intake), &stop);
        let running_intake = runner::start::<Intake>(orders);
        let running_intake = match running_intake {
            Ok(running) => running,
            Err(error) => {
                stop.set();
                running_matching.join();
                return Err(error);
            }
        };
        Ok(Stages {
            stop,
            intake: Some(running_intake),
            matching: Some(running_matching),
            intake_progress: intake,
            matching_progress: matching,
        })
    }

    /// Waits until both stages have acknowledged everything that is in the log, and nothing more comes.
    pub fn settle(&self, log: &MemoryLog) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for progress in [&self.intake_progress, &self.matching_progress] {
                let standing = progress.standing();
                assert!(!standing.has_ended(), "{:?}", standing.state);
            }
            if self.are_settled(log) {
                return;
            }
            assert!(Instant::now() < deadline, "the stages did not settle");
            std::thread::yield_now();
        }
    }

    /// Whether both stages have acknowledged everything that is in the log, and nothing more comes.
    pub fn are_settled(&self, log: &MemoryLog) -> bool {
        let ends: Vec<_> = all_partitions().map(|p| (p, log.end_offset(p).unwrap())).collect();
        let reached = |progress: &Progress, topic| {
            let standing = progress.standing();
            ends.iter().filter(|(p, _)| p.topic == topic).all(|(p, end)| standing.has_applied_below(*p, *end))
        };
        reached(&self.intake_progress, Topic::Orders)
            && reached(&self.matching_progress, Topic::Books)
            && ends.iter().all(|(p, end)| log.end_offset(*p).unwrap() == *end)
    }

    /// Whether one of both has ended.
    pub fn has_ended(&self) -> bool {
        [&self.intake_progress, &self.matching_progress].iter().any(|progress| progress.standing().has_ended())
    }

    /// Waits until a stage has ended, and says how.
    pub fn wait_for_end(progress: &Progress) -> WorkerState {
        let deadline = Instant::now() + PATIENCE;
        while !progress.standing().has_ended() {
            assert!(Instant::now() < deadline, "the stage did not end");
            std::thread::yield_now();
        }
        progress.standing().state.clone()
    }

    /// Ends both in order: they drain and keep a snapshot.
    pub fn stop(mut self) {
        self.stop_both();
    }

    fn stop_both(&mut self) {
        self.stop.set();
        self.intake.take().into_iter().chain(self.matching.take()).for_each(runner::Running::join);
    }
}

impl Drop for Stages {
    fn drop(&mut self) {
        self.stop_both();
    }
}

fn setup<S>(
    (log, key): (&Arc<dyn EventLog>, StreamKey),
    source: Topic,
    dir: &Path,
    shared: S,
    (progress, place): (&Progress, Place),
    stop: &Stop,
) -> Setup<S> {
    Setup {
        log: Arc::clone(log),
        source,
        directory: dir.join("stages").into(),
        key,
        shared,
        progress: progress.clone(),
        answers: Some(Arc::new(Answers::new(PARTITIONS))),
        stop: stop.clone(),
        clock: Clock::default(),
        snapshot_records: runner::SNAPSHOT_RECORDS,
        place,
    }
}

/// Every partition of every topic.
pub fn all_partitions() -> impl Iterator<Item = TopicPartition> {
    Topic::ALL.into_iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| topic.at(partition)))
}

/// Appends records without waiting for anything but their acknowledgement.
pub fn append(log: &MemoryLog, records: Vec<NewRecord>) {
    let (done, acknowledged) = std::sync::mpsc::channel();
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(records, Box::new(move |result| done.send(result).unwrap())).unwrap();
    acknowledged.recv_timeout(PATIENCE).unwrap().unwrap();
}

/// An outside record of a user's event, or of an operator's request.
pub fn outside(event_id: Uuid, event: &Event) -> NewRecord {
    let user = event.user_id().map_or("_control", UserId::as_str);
    let home = if user == "_control" { 0 } else { of_key(user.as_bytes(), PARTITIONS) };
    let value = envelope::write_outside(event_id, Timestamp::from_millis(1_700_000_000_000), event, "test");
    NewRecord {
        to: Topic::Orders.at(home),
        key: Some(bytes::Bytes::copy_from_slice(user.as_bytes())),
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

/// An event's id by its number.
pub fn id(number: u64) -> Uuid {
    Uuid::from_u64_pair(1, number)
}

/// A user by name.
pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A deposit of whole units.
pub fn deposit(name: &str, asset: &str, whole: i64) -> Event {
    let amount = Amount::from_units(i128::from(whole) * 10_000);
    Event::DepositMade(Deposit { user_id: user(name), asset: Asset::new(asset).unwrap(), amount })
}

/// A limit order for AAPL.
pub fn limit(name: &str, order: &str, side: Side, quantity: u64, price_units: i128) -> Event {
    Event::OrderCreated(OrderCreated {
        order_id: OrderId::new(order).unwrap(),
        user_id: user(name),
        symbol: Symbol::new("AAPL").unwrap(),
        side,
        order_type: OrderType::Limit,
        time_in_force: None,
        post_only: false,
        quantity: Quantity::new(quantity).unwrap(),
        price: Some(Price::from_units(price_units).unwrap()),
        max_cost: None,
        client_order_id: None,
    })
}

/// A cancel.
pub fn cancel(name: &str, order: &str) -> Event {
    Event::OrderCancelRequested(OrderCancelRequested { order_id: OrderId::new(order).unwrap(), user_id: user(name) })
}

/// All records of a partition.
pub fn records(log: &MemoryLog, of: TopicPartition) -> Vec<Record> {
    log.read(of, 0, usize::MAX).unwrap()
}

/// The whole log, partition by partition.
pub fn whole(log: &MemoryLog) -> Vec<(TopicPartition, Vec<Record>)> {
    all_partitions().map(|partition| (partition, records(log, partition))).collect()
}

/// What a go-back-N reader takes of a partition: repeats and strangers are left out.
pub fn taken(log: &MemoryLog, of: TopicPartition) -> Vec<Envelope> {
    let mut marks = StreamMarks::default();
    let mut taken = Vec::new();
    for record in records(log, of) {
        let digest = StreamKey::default().digest(record.key.as_deref(), record.value.as_deref());
        let Ok(envelope) = envelope::read(record.value.as_deref()) else { continue };
        if let Some(stamp) = envelope.stamp
            && marks.take(&stamp, digest) == Arrival::Next
        {
            assert_eq!(StreamId::of(&stamp).0, stamp.cause.position.topic_partition());
            taken.push(envelope);
        }
    }
    taken
}

/// The types of the events of `orders` under that key.
pub fn history(log: &MemoryLog, key: &str) -> Vec<&'static str> {
    let own = |record: &Record| record.key.as_deref() == Some(key.as_bytes());
    let records = (0..PARTITIONS).flat_map(|partition| records(log, Topic::Orders.at(partition))).filter(own);
    records.filter_map(|record| Some(envelope::read(record.value.as_deref()).ok()?.event_type.as_str())).collect()
}

/// A new log with the same records, but for those that `keep` drops.
pub fn copy(log: &MemoryLog, keep: impl Fn(TopicPartition, &Record) -> bool) -> Arc<MemoryLog> {
    let to = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    for (partition, records) in whole(log) {
        for record in records.into_iter().filter(|record| keep(partition, record)) {
            let Record { key, value, headers, .. } = record;
            append(&to, vec![NewRecord { to: partition, key, value, headers }]);
        }
    }
    to
}
