//! Asking a cluster: who is there, what it holds, how it is configured.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::metadata::{Metadata, MetadataPartition, MetadataTopic};
use rdkafka::{Offset, TopicPartitionList};

use super::facts::{Broker, Cluster, Config, Found, Partition};
use crate::Error;
use crate::error::At;
use crate::event_log::kafka::KafkaSettings;

/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long one look at a cluster that doesn't answer lasts.
const LOOK: Duration = Duration::from_millis(250);
/// How long all brokers must have been away; a name may have several addresses, tried in turn.
const AWAY_FOR: Duration = Duration::from_secs(2);

/// What a client told by itself.
#[derive(Default)]
struct Told {
    /// The newest error of one broker: it says more than "all brokers are down".
    newest: Option<(Code, String)>,
    all_down: bool,
}

#[derive(Clone, Default)]
struct Listening(Arc<Mutex<Told>>);

impl ClientContext for Listening {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => told.all_down = true,
            Some(code) => told.newest = Some((code, reason.to_owned())),
            None => {}
        }
    }
}

impl ConsumerContext for Listening {}

/// What lies beneath: the client's own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

/// A client of a cluster that has answered once.
pub(super) struct Asking<'a> {
    settings: &'a KafkaSettings,
    // A producer's client would have the brokers make topics that are only asked for.
    consumer: BaseConsumer<Listening>,
    admin: AdminClient<DefaultClientContext>,
}

impl<'a> Asking<'a> {
    /// Waits until a broker answers, for as long as one question may take.
    pub(super) fn connect(settings: &'a KafkaSettings) -> Result<Asking<'a>, Error> {
        settings.check()?;
        let config = settings.asking();
        let listening = Listening::default();
        let consumer: BaseConsumer<Listening> =
            config.create_with_context(listening.clone()).map_err(|error| settings.not_configured(error))?;
        let begun = Instant::now();
        let name = settings.topic(Topic::Orders);
        while consumer.fetch_metadata(Some(&name), LOOK).is_err() {
            while consumer.poll(Duration::ZERO).is_some() {}
            let told = listening.0.lock().unwrap_or_else(PoisonError::into_inner);
            let refused = matches!(told.newest, Some((Code::Authentication, _)));
            let away = told.all_down && (refused || begun.elapsed() >= AWAY_FOR);
            if away || begun.elapsed() >= ANSWER_WITHIN {
                return Err(unreachable(settings, &told));
            }
        }
        let admin = config.create().map_err(|error| settings.not_configured(error))?;
        Ok(Asking { settings, consumer, admin })
    }

    /// The numbers of the brokers.
    pub(super) fn brokers(&self) -> Result<Vec<i32>, Error> {
        let metadata = self.metadata(Topic::Orders)?;
        Ok(metadata.brokers().iter().map(|broker| broker.id()).collect())
    }

    /// The topics that aren't there.
    pub(super) fn missing(&self) -> Result<Vec<Topic>, Error> {
        let mut missing = Vec::new();
        for topic in Topic::ALL {
            let metadata = self.metadata(topic)?;
            if self.found(topic, &metadata)?.is_none() {
                missing.push(topic);
            }
        }
        Ok(missing)
    }

    /// Makes topics; what went wrong, by name.
    pub(super) fn create(&self, topics: &[NewTopic<'_>]) -> Result<Vec<(String, Code)>, Error> {
        let results = self.ask(|options| self.admin.create_topics(topics, options))?;
        let failed = results.into_iter().filter_map(Result::err);
        // Another one that makes them at the same time is no failure.
        Ok(failed.filter(|(_, code)| *code != Code::TopicAlreadyExists).collect())
    }

    /// Deletes the topics that are there.
    pub(super) fn delete(&self) -> Result<(), Error> {
        let names = Topic::ALL.map(|topic| self.settings.topic(topic));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for failed in self.ask(|options| self.admin.delete_topics(&names, options))?.into_iter().filter_map(Result::err)
        {
            let (name, code) = failed;
            if code != Code::UnknownTopicOrPartition {
                return Err(Error::refused(At::Log, format!("the cluster doesn't delete topic {name}: {code}")));
            }
        }
        Ok(())
    }

    /// Waits until the topics are known, each partition with a leader.
    pub(super) fn wait_for(&self, topics: &[Topic], within: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        for topic in topics {
            while !self.has_leaders(*topic)? {
                if begun.elapsed() >= within {
                    let what = format!("topic {} was made but isn't ready yet; try again", self.settings.topic(*topic));
                    return Err(Error::unavailable(At::Log, what));
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// The number of the partition's leader, negative while there is none.
    pub(super) fn leader(&self, of: TopicPartition) -> Result<i32, Error> {
        let metadata = self.metadata(of.topic)?;
        let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
        let found = partitions.into_iter().find(|partition| u32::try_from(partition.id()) == Ok(of.partition));
        Ok(found.map_or(-1, MetadataPartition::leader))
    }

    fn has_leaders(&self, topic: Topic) -> Result<bool, Error> {
        let metadata = self.metadata(topic)?;
        let [found] = metadata.topics() else { return Ok(false) };
        Ok(!found.partitions().is_empty() && found.partitions().iter().all(|partition| partition.leader() >= 0))
    }

    /// Everything that the rules look at.
    pub(super) fn facts(&self) -> Result<Cluster, Error> {
        let mut topics = Vec::new();
        for topic in Topic::ALL {
            let metadata = self.metadata(topic)?;
            let found = self.found(topic, &metadata)?;
            topics.push((topic, found.map(|found| self.of_topic(topic, found)).transpose()?));
        }
        let ids = self.brokers()?;
        let resources: Vec<ResourceSpecifier<'_>> = ids.iter().map(|id| ResourceSpecifier::Broker(*id)).collect();
        let mut configs = BTreeMap::new();
        // Each broker answers for itself alone.
        for resource in &resources {
            configs.extend(self.configs(std::slice::from_ref(resource))?);
        }
        let config = |id: i32| configs.remove(&format!("broker {id}")).unwrap_or_default();
        let brokers =
            ids.iter().copied().zip(ids.iter().copied().map(config)).map(|(id, config)| Broker { id, config });
        Ok(Cluster { brokers: brokers.collect(), topics })
    }

    fn of_topic(&self, topic: Topic, found: &MetadataTopic) -> Result<Found, Error> {
        let name = self.settings.topic(topic);
        let firsts = self.first_offsets(&name, found)?;
        let partition = |number: i32, replicas: usize| Partition {
            replicas,
            first_offset: firsts.get(&number).copied().unwrap_or_default(),
        };
        let partitions = found.partitions().iter().map(|of| partition(of.id(), of.replicas().len())).collect();
        let config = self.configs(&[ResourceSpecifier::Topic(&name)])?.remove(&name).unwrap_or_default();
        Ok(Found { partitions, config })
    }

    /// The offset of the first record that each partition still has.
    fn first_offsets(&self, name: &str, found: &MetadataTopic) -> Result<BTreeMap<i32, i64>, Error> {
        let begun = Instant::now();
        loop {
            match self.first_offsets_now(name, found) {
                Err(error) if is_new(&error) && begun.elapsed() < ANSWER_WITHIN => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                answer => return answer.map_err(|error| self.unanswered(error)),
            }
        }
    }

    fn first_offsets_now(&self, name: &str, found: &MetadataTopic) -> Result<BTreeMap<i32, i64>, KafkaError> {
        let mut asked = TopicPartitionList::with_capacity(found.partitions().len());
        for partition in found.partitions() {
            // Kafka's ListOffsets takes "the beginning" in the place of a time.
            asked.add_partition_offset(name, partition.id(), Offset::Beginning)?;
        }
        let answered = self.consumer.offsets_for_times(asked, ANSWER_WITHIN)?;
        let mut firsts = BTreeMap::new();
        for element in answered.elements() {
            element.error()?;
            if let Offset::Offset(first) = element.offset() {
                firsts.insert(element.partition(), first);
            }
        }
        Ok(firsts)
    }

    /// Configurations by the resource's name; without those that may not be read.
    fn configs(&self, resources: &[ResourceSpecifier<'_>]) -> Result<BTreeMap<String, Config>, Error> {
        let described = self.ask(|options| self.admin.describe_configs(resources, options))?;
        let mut configs = BTreeMap::new();
        for resource in described.into_iter().flatten() {
            let name = match resource.specifier {
                OwnedResourceSpecifier::Topic(name) | OwnedResourceSpecifier::Group(name) => name,
                OwnedResourceSpecifier::Broker(id) => format!("broker {id}"),
            };
            let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            configs.insert(name, entries.collect());
        }
        Ok(configs)
    }

    /// One property of a topic.
    pub(super) fn property(&self, topic: Topic, property: &str) -> Result<Option<String>, Error> {
        let name = self.settings.topic(topic);
        Ok(self
            .configs(&[ResourceSpecifier::Topic(&name)])?
            .remove(&name)
            .and_then(|mut config| config.remove(property)))
    }

    /// Sets one property of a topic and leaves the others as they are.
    pub(super) fn set(&self, topic: Topic, property: &str, value: &str) -> Result<(), Error> {
        let name = self.settings.topic(topic);
        let resource = ResourceSpecifier::Topic(&name);
        let described = self.ask(|options| self.admin.describe_configs([&resource], options))?;
        // What is not named here goes back to its default (KIP-133).
        let entries = described.into_iter().flatten().flat_map(|resource| resource.entries);
        let own: Vec<(String, String)> = entries
            .filter(|entry| entry.source == ConfigSource::DynamicTopic)
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect();
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(&name));
        for (name, value) in &own {
            wanted = wanted.set(name, value);
        }
        wanted = wanted.set(property, value);
        let failed = self.ask(|options| self.admin.alter_configs([&wanted], options))?;
        match failed.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some((_, code)) => {
                let what = format!(
                    "topic {name} does not take {property}={value}: {code}; grant AlterConfigs on it to this principal, \
                     or set it by hand"
                );
                Err(Error::refused(At::Log, what))
            }
        }
    }

    fn metadata(&self, topic: Topic) -> Result<Metadata, Error> {
        let name = self.settings.topic(topic);
        self.consumer.fetch_metadata(Some(&name), ANSWER_WITHIN).map_err(|error| self.unanswered(error))
    }

    /// The topic, if it is there; an error if that can't be told now.
    fn found<'m>(&self, topic: Topic, metadata: &'m Metadata) -> Result<Option<&'m MetadataTopic>, Error> {
        let name = self.settings.topic(topic);
        let Some(found) = metadata.topics().iter().find(|found| found.name() == name) else { return Ok(None) };
        match found.error().map(Code::from) {
            None => Ok((!found.partitions().is_empty()).then_some(found)),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
            Some(Code::TopicAuthorizationFailed) => {
                let what = format!("topic {name} may not be looked at: grant Describe on it to this principal");
                Err(Error::unavailable(At::Log, what))
            }
            Some(Code::InvalidTopic) => {
                Err(Error::refused(At::Log, format!("{name} is no name of a topic; use another --topic-prefix")))
            }
            Some(code) => Err(Error::unavailable(At::Log, format!("topic {name} can't be looked at: {code}"))),
        }
    }

    /// Asks as an administrator, on this thread.
    fn ask<T, F>(&self, question: impl FnOnce(&AdminOptions) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, KafkaError>>,
    {
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WITHIN)).operation_timeout(Some(ANSWER_WITHIN));
        block_on(question(&options)).map_err(|error| self.unanswered(error))
    }

    fn unanswered(&self, error: KafkaError) -> Error {
        let brokers = &self.settings.brokers;
        let code = match error {
            KafkaError::AdminOp(code) => Some(code),
            ref other => other.rdkafka_error_code(),
        };
        match code {
            Some(Code::UnsupportedFeature | Code::UnsupportedVersion) => {
                let what = format!(
                    "the brokers at {brokers} are too old: Apache Kafka 0.11 or newer is needed for idempotent producers and \
                     for reading configurations; upgrade them"
                );
                Error::refused(At::Log, what)
            }
            _ => {
                Error::unavailable(At::Log, format!("the Kafka cluster at {brokers} gave no answer")).with_source(error)
            }
        }
    }
}

/// A leader is named before it knows of it: of a topic that was just made, or where a broker has just come back.
fn is_new(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownLeaderEpoch
                | Code::FencedLeaderEpoch
        )
    )
}

/// Why no broker answers, as far as the client says it.
fn unreachable(settings: &KafkaSettings, told: &Told) -> Error {
    let brokers = &settings.brokers;
    let (code, reason) = told.newest.clone().unzip();
    let what = match code {
        Some(Code::Authentication) => format!(
            "the Kafka brokers at {brokers} refuse the credentials; correct sasl.mechanism, sasl.username and sasl.password"
        ),
        Some(Code::Resolve) => {
            format!("the name of a Kafka broker can't be resolved ({brokers}); correct --kafka-brokers")
        }
        Some(Code::SSL) => format!("no TLS connection to the Kafka brokers at {brokers}"),
        _ => format!("no Kafka broker answers at {brokers}; start it, or correct --kafka-brokers"),
    };
    let error = Error::unavailable(At::Log, what);
    match reason {
        // What follows is a count of tries, another one each time.
        Some(reason) => error.with_source(Reason(reason.split(" (after ").next().unwrap_or_default().to_owned())),
        None => error,
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer that another thread gives.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut context, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
