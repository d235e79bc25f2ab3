//! What the clients tell by themselves: logs, errors, statistics.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use super::known::Known;
use super::names::Names;
use super::sight::Sight;
use crate::Error;
use crate::event_log::system_clock;

/// A connection that broke is made again at once, as a rule: until then the cluster is not away.
const GRACE: Duration = Duration::from_secs(3);

/// Whether the cluster answers, as far as the clients noticed.
#[derive(Default)]
pub(super) struct Reach(Mutex<State>);

#[derive(Default)]
struct State {
    /// Why it doesn't, and since when.
    away: Option<(Instant, String)>,
    /// The newest error of one broker; it says more than "all brokers are down".
    newest: Option<String>,
    /// A question got no answer in time. A connection that swallows everything looks like one that is idle.
    silent: bool,
}

impl Reach {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the cluster doesn't answer, if it doesn't.
    pub(super) fn away(&self) -> Option<String> {
        let state = self.lock();
        let away = state.away.as_ref().filter(|(since, _)| since.elapsed() >= GRACE).map(|(_, why)| why.clone());
        away.or_else(|| state.silent.then(|| "a question was not answered in time".to_owned()))
    }

    /// The newest error that a client told.
    pub(super) fn newest(&self) -> Option<String> {
        self.lock().newest.clone()
    }

    /// An error that a client told by itself.
    pub(super) fn tell(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let mut state = self.lock();
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            state.newest = Some(reason.to_owned());
        }
        let lost = matches!(
            code,
            Some(
                RDKafkaErrorCode::AllBrokersDown
                    | RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::SSL
            )
        );
        if lost && state.away.is_none() {
            let why = state.newest.clone().unwrap_or_else(|| reason.to_owned());
            tracing::warn!(%why, "Kafka doesn't answer; trying again until it does");
            state.away = Some((Instant::now(), why));
        }
    }

    /// A question that is asked again and again was answered now, or not in time.
    pub(super) fn heard(&self, in_time: bool) {
        let mut state = self.lock();
        if !in_time && !state.silent {
            tracing::warn!("Kafka answers no question; trying again until it does");
        }
        state.silent = !in_time;
    }

    /// The cluster answered.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        if state.away.take().is_some() {
            tracing::warn!("Kafka answers again");
        }
        state.newest = None;
    }
}

/// The context of consumers and of the client that only asks.
#[derive(Clone)]
pub(super) struct Watching {
    pub(super) names: Arc<Names>,
    pub(super) known: Arc<Known>,
    pub(super) reach: Arc<Reach>,
    /// Of the client that has it.
    pub(super) sight: Arc<Sight>,
    /// Why nothing may be read or written any more, once that is so.
    refused: Arc<OnceLock<Error>>,
}

impl Watching {
    pub(super) fn new(names: Arc<Names>, known: Arc<Known>, reach: Arc<Reach>) -> Watching {
        Watching { names, known, reach, sight: Arc::default(), refused: Arc::default() }
    }

    /// The same for another client.
    pub(super) fn of_another(&self) -> Watching {
        Watching { sight: Arc::default(), ..self.clone() }
    }

    /// From now on nothing is read or written: the topics are not those that they were.
    pub(super) fn refuse(&self, error: Error) {
        // The first finding says it already.
        let _ = self.refused.set(error);
    }

    /// Whether the topics are those that they were.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.refused.get().map_or(Ok(()), |error| Err(error.clone()))
    }
}

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reach.tell(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if self.sight.tell(&statistics) {
            self.reach.answered();
        }
        for (name, topic) in &statistics.topics {
            for partition in topic.partitions.values() {
                let of = self.names.partition(name, partition.partition);
                if let (Some(of), Ok(end)) = (of, u64::try_from(partition.hi_offset)) {
                    self.known.seen_to_end(of, end, now_ms());
                }
            }
        }
    }
}

impl ConsumerContext for Watching {}

/// The time in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    system_clock()()
}

/// The library repeats itself while a broker is away; what matters is told once, by [`Reach`].
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{message}"),
    }
}
