//! The event log on a Kafka cluster.
//!
//! In: batches of records, questions about positions. Out: records of committed transactions, in order, with holes.
//! It keeps: a record is acknowledged once every replica in sync has it; partitions are computed here; positions are ours,
//! the groups on the cluster are told for dashboards alone; no call waits for ever but for a stage's records, which are
//! never given up. Memory: docs/OPERATING.md.

pub mod topics;

mod appender;
mod asking;
mod bare;
mod context;
mod errors;
mod known;
mod names;
mod queries;
mod reader;
mod reports;
mod restoring;
mod same_topics;
mod settings;
mod sight;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use orderledger_domain::position::TopicPartition;

use self::appender::{KafkaAppender, Producers};
use self::queries::Queries;
use self::reader::KafkaReader;
use self::same_topics::Watch;
use super::{Appender, AppenderKind, EventLog, Reader, ReaderKind, Record};
use crate::Error;
use crate::error::At;

pub use bare::read_bare;
pub use restoring::KafkaRestoring;
pub use settings::{KafkaSettings, MESSAGE_MAX_BYTES};

/// How long opening looks for the cluster.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a question is repeated while the cluster is away.
const ASK_WITHIN: Duration = Duration::from_secs(90);
/// A batch costs requests to the cluster, and its outputs more of them at every later worker.
const GATHERING: Duration = Duration::from_millis(5);
/// How long closing waits for acknowledgements.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// A log on a cluster.
pub struct KafkaLog {
    settings: KafkaSettings,
    cluster: String,
    queries: Arc<Queries>,
    producers: Producers,
    watch: Mutex<Option<Watch>>,
}

impl KafkaLog {
    /// Finds the cluster and its topics. [`Error::Unavailable`] if no broker answers within 10 s, [`Error::Refused`] if a
    /// topic is missing, or has not as many partitions as the others and as asked for.
    pub fn open(settings: KafkaSettings, partitions: Option<u32>) -> Result<KafkaLog, Error> {
        settings.check()?;
        let (mut queries, cluster) = Queries::connect(&settings, partitions, OPEN_WITHIN)?;
        queries.be_patient(ASK_WITHIN);
        let (queries, producers, watch) = (Arc::new(queries), Producers::default(), Mutex::default());
        Ok(KafkaLog { settings, cluster, queries, producers, watch })
    }

    /// Compares the topics with where they began, as the file `kept` says it, and goes on doing so: once one was deleted and
    /// made anew, nothing is read or written any more. [`Error::Refused`] if one was, or lost its end, since the file was
    /// written.
    pub fn watch_topics(&self, kept: &Path) -> Result<(), Error> {
        let watch = Watch::start(Arc::clone(&self.queries), kept.to_owned())?;
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        Ok(())
    }

    /// The id that the cluster was given when it was made.
    pub fn cluster_id(&self) -> &str {
        &self.cluster
    }

    fn check_partition(&self, of: TopicPartition) -> Result<(), Error> {
        self.queries.watching().names.check(of)
    }

    /// Refuses positions that the cluster doesn't have.
    fn check_positions(&self, from: &[(TopicPartition, u64)]) -> Result<(), Error> {
        let all: Vec<TopicPartition> = from.iter().map(|(of, _)| *of).collect();
        all.iter().try_for_each(|of| self.check_partition(*of))?;
        if all.is_empty() {
            return Ok(());
        }
        let (firsts, ends) = (self.queries.firsts(&all)?, self.queries.ends(&all)?);
        for (of, at) in from {
            let (first, end) = (firsts.get(of).copied().unwrap_or(0), ends.get(of).copied().unwrap_or(0));
            if *at > end {
                let what = format!("the log ends at offset {end}; it has lost records or is another log");
                return Err(Error::refused(of.offset(*at), what));
            }
            if *at < first {
                let what = format!("the log begins at offset {first}: earlier records were deleted; restore a copy");
                return Err(Error::refused(of.offset(*at), what));
            }
        }
        Ok(())
    }
}

impl EventLog for KafkaLog {
    fn partitions(&self) -> u32 {
        self.queries.watching().names.partitions()
    }

    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        let appender = KafkaAppender::new(&self.settings, kind, self.queries.watching(), &self.producers)?;
        Ok(Box::new(appender))
    }

    fn reader(&self, from: &[(TopicPartition, u64)], kind: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        self.check_positions(from)?;
        let consumer = self.settings.consumer(kind).create_with_context(self.queries.watching().of_another());
        let consumer = consumer.map_err(errors::no_other_client)?;
        Ok(Box::new(KafkaReader::new(consumer, from, kind)?))
    }

    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.check_partition(of)?;
        Ok(self.queries.firsts(&[of])?.get(&of).copied().unwrap_or(0))
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.check_partition(of)?;
        Ok(self.queries.ends(&[of])?.get(&of).copied().unwrap_or(0))
    }

    fn stable_end(&self, of: TopicPartition) -> Result<u64, Error> {
        self.check_partition(of)?;
        self.queries.stable_end(of)
    }

    fn known_end(&self, of: TopicPartition) -> Result<u64, Error> {
        self.check_partition(of)?;
        Ok(self.queries.watching().known.end(of))
    }

    fn appended_at(&self, of: TopicPartition, from: u64) -> Result<Option<i64>, Error> {
        let known = &self.queries.watching().known;
        if from >= known.end(of) {
            return Ok(None);
        }
        if let Some(time) = known.time_at(of, from) {
            return Ok(Some(time));
        }
        Ok(self.read(of, from, 1)?.first().map(|record| record.recorded_at_ms))
    }

    fn not_appended_before(&self, of: TopicPartition, from: u64) -> Result<Option<i64>, Error> {
        self.check_partition(of)?;
        let known = &self.queries.watching().known;
        Ok(if from < known.end(of) { known.not_before(of, from) } else { None })
    }

    fn reachable(&self) -> Result<(), Error> {
        match self.queries.watching().reach.away() {
            None => Ok(()),
            Some(why) => {
                let what = format!("the Kafka brokers {} don't answer: {why}", self.settings.brokers);
                Err(Error::unavailable(At::Log, what))
            }
        }
    }

    fn same(&self) -> Result<(), Error> {
        self.queries.watching().check()
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        self.check_partition(of)?;
        self.queries.read(of, from, max)
    }

    fn commits_batches_atomically(&self) -> bool {
        false
    }

    fn gathering(&self) -> Duration {
        GATHERING
    }

    fn close(&self) {
        self.producers.close(Instant::now() + CLOSE_WITHIN);
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// The version of librdkafka, as it says itself.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_new_enough() {
        // Before 2.3 it reports fatal errors that are none (librdkafka #4438).
        let version = client_version();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        assert!((parts.next(), parts.next()) >= (Some(2), Some(3)), "{version}");
    }
}
