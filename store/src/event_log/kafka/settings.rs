//! How the Kafka clients are configured: what the design fixes, what fits each use, what the operator adds.

use std::collections::BTreeMap;
use std::fmt;

use orderledger_domain::position::Topic;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use crate::Error;
use crate::error::At;
use crate::event_log::{AppenderKind, ReaderKind};

/// Which cluster, which topics on it, and what the operator adds to the clients' configuration.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaSettings {
    /// The brokers to begin with: `HOST:PORT[,…]`.
    pub brokers: String,
    /// What stands before every topic's and group's name, no separator added.
    pub prefix: String,
    /// Properties of librdkafka by name, as its CONFIGURATION.md lists them. Those that the design fixes are refused.
    pub properties: BTreeMap<String, String>,
    /// Bytes of records that a rebuild's client fetches ahead; absent: 256 MiB. It takes about twice as much for them.
    pub fetched_ahead: Option<u64>,
}

/// The largest record that is written or read, in bytes: Kafka's own default.
pub const MESSAGE_MAX_BYTES: u32 = 1_048_588;

/// Kafka's limit of a name is 249 bytes, and the longest of ours has 12.
const PREFIX_BYTES_MAX: usize = 200;

/// What every client has, whatever the operator says: property and value.
const OF_ALL: [(&str, &str); 3] =
    [("client.id", "orderledger"), ("socket.nagle.disable", "true"), ("reconnect.backoff.max.ms", "2000")];
/// What every producer has: nothing lost, nothing reordered, partitions chosen here.
const OF_PRODUCERS: [(&str, &str); 4] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("max.in.flight", "5"),
    ("queue.buffering.backpressure.threshold", "1"),
];
/// What every consumer has: positions are ours, nothing is skipped.
const OF_CONSUMERS: [(&str, &str); 7] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("allow.auto.create.topics", "false"),
    ("enable.partition.eof", "false"),
    ("fetch.error.backoff.ms", "100"),
];

/// The properties that the design fixes, under every name that librdkafka knows them by, and where the operator says it.
const FIXED: [(&str, &str); 28] = [
    ("bootstrap.servers", "name the brokers with --kafka-brokers"),
    ("metadata.broker.list", "name the brokers with --kafka-brokers"),
    ("enable.idempotence", "without it retries lose or reorder records"),
    ("acks", "a record counts only when every replica in sync has it"),
    ("request.required.acks", "a record counts only when every replica in sync has it"),
    ("max.in.flight", "more than 5 would reorder"),
    ("max.in.flight.requests.per.connection", "more than 5 would reorder"),
    ("retries", "idempotence needs its own"),
    ("message.send.max.retries", "idempotence needs its own"),
    ("message.timeout.ms", "stages never give up, and HTTP has a deadline of its own"),
    ("delivery.timeout.ms", "stages never give up, and HTTP has a deadline of its own"),
    ("enable.gapless.guarantee", "streams find every gap"),
    ("transactional.id", "transactions are not used"),
    ("partitioner", "partitions are computed here: murmur2 of the key"),
    ("message.max.bytes", "the largest record is part of the contract"),
    ("group.id", "groups are named after their workers"),
    ("group.instance.id", "partitions are assigned by hand"),
    ("group.protocol", "partitions are assigned by hand"),
    ("enable.auto.commit", "positions are kept with the state that they belong to"),
    ("auto.commit.enable", "positions are kept with the state that they belong to"),
    ("enable.auto.offset.store", "positions are kept with the state that they belong to"),
    ("auto.offset.reset", "nothing is ever skipped"),
    ("isolation.level", "aborted transactions must not be read"),
    ("check.crcs", "corrupt records must not be read"),
    ("allow.auto.create.topics", "make the topics with: orderledger topics create"),
    ("enable.partition.eof", "ends are found otherwise"),
    ("delivery.report.only.error", "without reports of success nothing is ever acknowledged"),
    ("statistics.interval.ms", "the partitions' ends are known from the statistics"),
];

/// Values may be secrets: only the properties' names are shown.
impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.properties.keys().collect();
        let mut shown = f.debug_struct("KafkaSettings");
        shown.field("brokers", &self.brokers).field("prefix", &self.prefix).field("properties", &names).finish()
    }
}

impl KafkaSettings {
    /// Refuses a property that the design fixes, or that would switch a protection off, by name; then what librdkafka
    /// doesn't know or doesn't take, in its own words.
    pub fn check(&self) -> Result<(), Error> {
        self.check_names()?;
        for (name, value) in &self.properties {
            if let Some((_, why)) = FIXED.iter().find(|(fixed, _)| fixed == name) {
                let what = format!("the Kafka property {name} can't be set: {why}; remove it from the configuration");
                return Err(Error::refused(At::Log, what));
            }
            if name == "enable.ssl.certificate.verification" && value != "true" {
                let what = "enable.ssl.certificate.verification can't be switched off: anyone could pose as the broker; \
                            name the certificate's authority in ssl.ca.location instead";
                return Err(Error::refused(At::Log, what));
            }
        }
        let clients = [self.producer(AppenderKind::Stage), self.consumer(ReaderKind::Live)];
        let made = clients.iter().try_for_each(|config| config.create_native_config().map(drop));
        made.map_err(|error| self.not_configured(error))
    }

    fn check_names(&self) -> Result<(), Error> {
        if self.brokers.trim().is_empty() {
            return Err(Error::refused(At::Log, "no Kafka broker is named; use --kafka-brokers HOST:PORT[,…]"));
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if self.prefix.len() > PREFIX_BYTES_MAX || !self.prefix.bytes().all(legal) {
            let what = format!(
                "the prefix of topics has at most {PREFIX_BYTES_MAX} letters, digits, points, underscores and hyphens; use \
                 another --topic-prefix"
            );
            return Err(Error::refused(At::Log, what));
        }
        Ok(())
    }

    /// Why no client can be made. No value is repeated: it may be a secret.
    pub(super) fn not_configured(&self, error: KafkaError) -> Error {
        let (name, why) = match error {
            KafkaError::ClientConfig(_, why, name, _) => (format!("the Kafka property {name}"), why),
            KafkaError::ClientCreation(why) => ("the Kafka properties together".to_owned(), why),
            error => ("the Kafka properties".to_owned(), error.to_string()),
        };
        let hidden = self.properties.values().filter(|value| !value.is_empty());
        let why = hidden.fold(why, |why, value| why.replace(&format!("\"{value}\""), "\"…\""));
        Error::refused(At::Log, format!("{name}: {why}; correct the configuration"))
    }

    /// The name of a topic on the cluster.
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The name of a consumer group on the cluster.
    pub(super) fn group(&self, worker: &str) -> String {
        format!("{}{worker}", self.prefix)
    }

    /// A client that only asks: metadata, offsets, configurations.
    pub(super) fn asking(&self) -> ClientConfig {
        self.of(&[("allow.auto.create.topics", "false")])
    }

    /// A producer. One of a stage never gives up; a client's gives up after 30 s, and the outcome is then unknown.
    pub(super) fn producer(&self, kind: AppenderKind) -> ClientConfig {
        let mut config = self.of(&OF_PRODUCERS);
        config.set("message.max.bytes", MESSAGE_MAX_BYTES.to_string());
        config.set(
            "message.timeout.ms",
            match kind {
                AppenderKind::Stage => "0",
                AppenderKind::Client => "30000",
            },
        );
        config.set("statistics.interval.ms", "5000");
        self.unless_given(&mut config, "linger.ms", "0");
        self.unless_given(&mut config, "queue.buffering.max.kbytes", "65536");
        self.unless_given(&mut config, "queue.buffering.max.messages", "100000");
        config
    }

    /// A consumer that reads assigned partitions from positions of ours.
    pub(super) fn consumer(&self, kind: ReaderKind) -> ClientConfig {
        let mut config = self.of(&OF_CONSUMERS);
        config.set("isolation.level", "read_committed");
        let (group, kbytes) = match kind {
            ReaderKind::Group(worker) | ReaderKind::LaggingGroup(worker) => (worker, 16_384),
            ReaderKind::Live => ("reads", 16_384),
            ReaderKind::Rebuild => ("reads", self.fetched_ahead.map_or(262_144, |bytes| bytes >> 10)),
        };
        config.set("group.id", self.group(group));
        self.unless_given(&mut config, "queued.max.messages.kbytes", &kbytes.to_string());
        self.unless_given(
            &mut config,
            "queued.min.messages",
            if kind == ReaderKind::Rebuild { "1000000" } else { "10000" },
        );
        self.unless_given(&mut config, "fetch.queue.backoff.ms", "5");
        if kind != ReaderKind::Rebuild {
            self.unless_given(&mut config, "fetch.max.bytes", "8388608");
        }
        if matches!(kind, ReaderKind::LaggingGroup(_)) {
            self.unless_given(&mut config, "fetch.min.bytes", "1000000");
            self.unless_given(&mut config, "fetch.wait.max.ms", "100");
        }
        config.set("statistics.interval.ms", "1000");
        config
    }

    /// The operator's properties, then what is fixed.
    fn of(&self, fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in OF_ALL {
            config.set(name, value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in fixed {
            config.set(*name, *value);
        }
        config
    }

    fn unless_given(&self, config: &mut ClientConfig, name: &str, value: &str) {
        if !self.properties.contains_key(name) {
            config.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> KafkaSettings {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KafkaSettings { brokers: "127.0.0.1:9092".to_owned(), properties, ..KafkaSettings::default() }
    }

    fn check_refused(settings: &KafkaSettings, words: &str) -> String {
        let refused = settings.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains(words), "{words}: {refused}");
        refused
    }

    #[test]
    fn what_the_design_fixes_is_refused_by_name() {
        for (name, _) in FIXED {
            check_refused(&settings(&[(name, "1")]), &format!("the Kafka property {name} can't be set: "));
        }
        check_refused(&settings(&[("enable.ssl.certificate.verification", "false")]), "ssl.ca.location");
        let page = include_str!("../../../../docs/OPERATING.md");
        assert!(FIXED.iter().all(|(name, _)| page.contains(&format!("`{name}`"))));
    }

    #[test]
    fn what_the_library_doesnt_know_or_take_is_refused_in_its_words() {
        check_refused(&settings(&[("sasl.pasword", "hunter2")]), "No such configuration property: \"sasl.pasword\"");
        let refused = check_refused(&settings(&[("security.protocol", "hunter2")]), "Invalid value");
        assert!(!refused.contains("hunter2"), "{refused}");
        assert!(!format!("{:?}", settings(&[("sasl.password", "hunter2")])).contains("hunter2"));
        check_refused(&settings(&[("linger.ms", "soon")]), "the Kafka property linger.ms: ");
    }

    #[test]
    fn what_fits_is_taken() {
        let given = [("linger.ms", "5"), ("socket.keepalive.enable", "true"), ("client.id", "desk-7")];
        let taken = settings(&given);
        assert!(taken.check().is_ok());
        let producer = taken.producer(AppenderKind::Stage);
        for (name, value) in given {
            assert_eq!(producer.get(name), Some(value));
        }
        assert_eq!(producer.get("acks"), Some("all"));
        for (fetched_ahead, kbytes) in [(None, "262144"), (Some(64 << 20), "65536")] {
            let consumer = KafkaSettings { fetched_ahead, ..settings(&given) }.consumer(ReaderKind::Rebuild);
            assert_eq!(consumer.get("queued.max.messages.kbytes"), Some(kbytes));
        }
    }

    #[test]
    fn names_that_no_topic_can_have_are_refused() {
        for prefix in ["a b", "a/", "ü", &"x".repeat(201)] {
            check_refused(&KafkaSettings { prefix: prefix.to_owned(), ..settings(&[]) }, "--topic-prefix");
        }
        check_refused(&KafkaSettings { brokers: " ".to_owned(), ..settings(&[]) }, "--kafka-brokers");
        assert!(KafkaSettings { prefix: "desk_7.eu-".to_owned(), ..settings(&[]) }.check().is_ok());
    }
}
