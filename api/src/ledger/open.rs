//! Opening a data directory and starting the workers on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::version;
use orderledger_projections::audit::queries::Recent;
use orderledger_projections::intake::answers::Answers;
use orderledger_projections::intake::{Identities, Intake};
use orderledger_projections::matching::Matching;
use orderledger_projections::parking::breaker::Limits;
use orderledger_projections::stage::gate::Gate;
use orderledger_projections::stage::runner::{self, SNAPSHOT_RECORDS};
use orderledger_projections::versions;
use orderledger_projections::worker::board::Board;
use orderledger_projections::worker::courtesy::Courtesy;
use orderledger_projections::worker::progress::{Progress, Standing};
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::embedded::{EmbeddedLog, EmbeddedOptions};
use orderledger_store::event_log::kafka::topics::{self, Severity};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings};
use orderledger_store::event_log::{AppenderKind, EventLog};
use orderledger_store::{At, DataDir, Error, LogIdentity};
use tokio::sync::Semaphore;

use super::kinds::Kind;
use super::rebuild::growth::{Tidying, tidy};
use super::rebuild::live::Rebuilds;
use super::rebuild::memory::{MEMORY_LIMIT, fetched_ahead};
use super::rebuild::watch::watch;
use super::start::{Start, open_ids};
use super::{Conditions, Gates, Ledger, ViewHandle};
use crate::lag::{self, Watch};
use crate::streams::{self, Streams};
use crate::webhooks::{self, Webhooks};

/// The partition count of a new data directory.
pub(crate) const PARTITIONS: u32 = 12;
/// How much of the time a rebuild may work, in percent, where nothing else is set.
pub(crate) const REBUILD_SHARE: u32 = 50;
/// How many lists may be streamed at once: each has a few stretches of rows in memory, and a thread while it makes one.
pub(super) const EXPORTS_MAX: usize = 16;
/// Bytes of records that histories were asked for lately.
const RECENT_BYTES_MAX: usize = 128 << 20;
/// How many writes may be on their way at once: at 1 KiB each they fill half of the log's queue, so appending never waits.
pub(crate) const WRITES_MAX: usize = 4096;

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory.
    pub data: PathBuf,
    /// The partition count; absent: what the directory has, 12 in a new one.
    pub partitions: Option<u32>,
    /// The key of the streams.
    pub key: StreamKey,
    /// How long a write waits for its acknowledgement and intake's answer.
    pub answer_within: Duration,
    /// When a projection stops instead of parking still more.
    pub parking: Limits,
    /// After how many records of a partition a stage keeps a snapshot, at the latest: a restart folds at most about so many again.
    pub snapshot_records: u64,
    /// Of the time, in percent, what a rebuild beside the live view may take.
    pub rebuild_share: u32,
    /// Bytes that a rebuild may hold in memory.
    pub memory_limit: u64,
    /// How much streams may take.
    pub streams: streams::Limits,
    /// When views that have grown too much are made anew; absent: never.
    pub tidying: Option<Tidying>,
    /// How webhooks are told.
    pub webhooks: webhooks::Settings,
    /// The Kafka cluster that holds the log; absent: the embedded log in the data directory.
    pub kafka: Option<KafkaSettings>,
}

impl Settings {
    /// The settings of that directory, everything else as by default.
    pub fn new(data: impl Into<PathBuf>) -> Settings {
        Settings {
            data: data.into(),
            partitions: None,
            key: StreamKey::default(),
            answer_within: Duration::from_secs(5),
            parking: Limits::default(),
            snapshot_records: SNAPSHOT_RECORDS,
            rebuild_share: REBUILD_SHARE,
            memory_limit: MEMORY_LIMIT,
            streams: streams::Limits::default(),
            tidying: None,
            webhooks: webhooks::Settings::default(),
            kafka: None,
        }
    }
}

/// The running workers; stages first, then projections.
pub struct Workers {
    stop: Stop,
    stages: Vec<runner::Running>,
    projections: Vec<Arc<ViewHandle>>,
    rebuilds: Arc<Rebuilds>,
    /// Its lock is held as long as anything runs.
    data: DataDir,
}

impl Workers {
    /// Asks everything to end and waits for it: outboxes drained, last snapshots kept, views flushed and synced.
    pub fn stop_and_join(self) {
        self.stop.set();
        self.stages.into_iter().for_each(runner::Running::join);
        self.projections.iter().filter_map(|handle| handle.job()).for_each(|job| job.cancel());
        self.rebuilds.join();
        for handle in self.projections {
            let running = handle.seat().running.take();
            if let Some(running) = running {
                running.join();
            }
            if let Err(error) = handle.live.load().view.close() {
                tracing::warn!(%error, "a view was not closed cleanly; the next start folds a little more");
            }
        }
    }
}

/// An opened ledger and its workers.
pub struct Opened {
    /// What handlers and commands use.
    pub ledger: Arc<Ledger>,
    /// What runs.
    pub workers: Workers,
}

/// Takes the directory and opens its log alone, for commands that only read it.
pub fn open_log(settings: &Settings, create: bool) -> Result<(DataDir, Arc<dyn EventLog>), Error> {
    let mut data = if create { DataDir::open(&settings.data)? } else { DataDir::open_existing(&settings.data)? };
    data.check_keys(settings.key.fingerprints())?;
    let partitions = settings.partitions.or(data.partitions());
    match &settings.kafka {
        None => {
            let partitions = partitions.unwrap_or(PARTITIONS);
            data.pin(partitions, &LogIdentity::Embedded)?;
            let log = EmbeddedLog::open(&data.log_path(), partitions, EmbeddedOptions::default())?;
            Ok((data, Arc::new(log)))
        }
        Some(kafka) => {
            let kafka = &KafkaSettings { fetched_ahead: Some(fetched_ahead(settings.memory_limit)), ..kafka.clone() };
            // Before the cluster is asked: another log stays another one, whether the brokers answer or not.
            data.check(settings.partitions, &identity(kafka, ""))?;
            let log = open_kafka(kafka, partitions, data.partitions().is_some())?;
            data.pin(log.partitions(), &identity(kafka, log.cluster_id()))?;
            log.watch_topics(&data.first_records_path())?;
            Ok((data, Arc::new(log)))
        }
    }
}

/// Opens the log alone, to look at it: on Kafka neither a data directory nor the right settings of topics are needed.
pub fn open_log_to_look(settings: &Settings) -> Result<(Option<DataDir>, Arc<dyn EventLog>), Error> {
    match &settings.kafka {
        None => open_log(settings, false).map(|(data, log)| (Some(data), log)),
        Some(kafka) => Ok((None, Arc::new(KafkaLog::open(kafka.clone(), settings.partitions)?))),
    }
}

/// The log on the cluster, if its topics lose nothing. With data that stand beyond them, records that were deleted from the
/// topics' beginnings are only a warning: whoever needs them is refused when he begins.
fn open_kafka(kafka: &KafkaSettings, partitions: Option<u32>, has_data: bool) -> Result<KafkaLog, Error> {
    let mut findings = topics::check(kafka, partitions)?;
    for finding in findings.iter_mut().filter(|finding| has_data && finding.property == "first offset") {
        finding.severity = finding.severity.min(Severity::Warning);
    }
    topics::refuse(&findings)?;
    for warning in topics::told(&findings, Severity::Warning) {
        tracing::warn!("{warning}");
    }
    KafkaLog::open(kafka.clone(), partitions)
}

fn identity(kafka: &KafkaSettings, cluster: &str) -> LogIdentity {
    LogIdentity::Kafka { cluster: cluster.to_owned(), prefix: kafka.prefix.clone() }
}

impl Opened {
    /// Opens the ledger and starts every worker. Refuses where log and directory disagree.
    pub fn open(settings: &Settings) -> Result<Opened, Error> {
        let (data, log) = open_log(settings, true)?;
        let mut workers = Workers {
            stop: Stop::default(),
            stages: Vec::new(),
            projections: Vec::new(),
            rebuilds: Arc::default(),
            data,
        };
        let started = workers.start(settings, log).and_then(|ledger| {
            workers.data.pin_keys(settings.key.fingerprints())?;
            Ok(ledger)
        });
        match started {
            Ok(ledger) => {
                let ledger = Arc::new(ledger);
                watch(&ledger)?;
                lag::start(&ledger)?;
                webhooks::start(&ledger)?;
                if let Some(tidying) = settings.tidying {
                    tidy(&ledger, tidying)?;
                }
                Ok(Opened { ledger, workers })
            }
            Err(error) => {
                // Those that run already end, so that the directory is free for the next attempt.
                workers.stop_and_join();
                Err(error)
            }
        }
    }
}

impl Workers {
    fn start(&mut self, settings: &Settings, log: Arc<dyn EventLog>) -> Result<Ledger, Error> {
        let (key, board) = (settings.key, Arc::new(Board::default()));
        version::check().map_err(|broken| Error::refused(At::Log, broken.to_string()))?;
        versions::check_newest(&*log, &key)?;
        let answers = Arc::new(Answers::new(log.partitions()));
        let (stop, courtesy) = (self.stop.clone(), Courtesy::default());
        let conditions = Conditions { log: Arc::clone(&log), key, limits: settings.parking, stop, courtesy };
        let start = Start { data: &self.data, snapshot_records: settings.snapshot_records, conditions: &conditions };
        let ids = open_ids(&self.data.ids_path(), &*log, &key)?;
        let mut projection = |kind: Kind| -> Result<Arc<ViewHandle>, Error> {
            let handle = start.projection(kind)?;
            self.projections.push(Arc::clone(&handle));
            Ok(handle)
        };
        let settlement = projection(Kind::settlement())?;
        let market = projection(Kind::market())?;
        let audit = projection(Kind::audit())?;
        let notifications = projection(Kind::notifications())?;
        let analytics = projection(Kind::analytics())?;
        let webhooks = Webhooks::open(settings.webhooks.clone(), &self.data.webhooks_key_path())?;
        let (matching, intake) = (Progress::new(Standing::default()), Progress::new(Standing::default()));
        let gate = Gate::default();
        let (of_matching, of_intake) = (gate.place(), gate.place());
        let of_books = start.stage(Topic::Books, Arc::clone(&board), &matching, None, of_matching);
        self.stages.push(runner::start::<Matching>(of_books)?);
        let of_orders = start.stage(Topic::Orders, Identities::new(ids), &intake, Some(&answers), of_intake);
        self.stages.push(runner::start::<Intake>(of_orders)?);
        Ok(Ledger {
            appender: log.appender(AppenderKind::Client)?,
            partitions: log.partitions(),
            log,
            key,
            answers,
            intake,
            matching,
            settlement,
            market,
            audit,
            notifications,
            analytics,
            board,
            writes: Semaphore::new(WRITES_MAX),
            recent: Arc::new(Recent::new(RECENT_BYTES_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            decisions: Gates::default(),
            decision_keys: Gates::default(),
            answer_within: settings.answer_within,
            rebuild_share: settings.rebuild_share,
            memory_limit: settings.memory_limit,
            streams: Streams::new(settings.streams),
            lag: Watch::default(),
            webhooks,
            rebuilds: Arc::clone(&self.rebuilds),
            conditions,
        })
    }
}
