//! The topics on the cluster: making them as the design wants them, and checking that they are so.
//!
//! What loses or changes records is refused; what only weakens the cluster is a warning.

mod ask;
mod facts;
mod restored;
mod rules;

use std::time::Duration;

use orderledger_domain::position::{Topic, TopicPartition};
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode as Code;

use self::ask::Asking;
use super::{KafkaSettings, MESSAGE_MAX_BYTES};
use crate::Error;
use crate::error::At;

pub use restored::{create_to_restore, finish_restored};

/// How many replicas a topic gets where there are so many brokers.
const REPLICATION: usize = 3;
/// The property that says whose clock a record's time is of.
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// The brokers' own clocks.
const LOG_APPEND_TIME: &str = "LogAppendTime";
/// How long new topics may take until every broker knows them.
const KNOWN_WITHIN: Duration = Duration::from_secs(15);

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// It weakens the cluster, or makes it slower; nothing is lost by it alone.
    Warning,
    /// Records are lost or changed by it, now or later.
    Refused,
}

impl Severity {
    /// One word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Fine => "fine",
            Severity::Warning => "warning",
            Severity::Refused => "refused",
        }
    }
}

/// One property of one topic or broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The topic's name on the cluster, or `broker 1`.
    pub of: String,
    /// The property, as Kafka calls it; `partitions`, `replicas` and `first offset` are the topic's own.
    pub property: &'static str,
    /// What it is.
    pub is: String,
    /// What it should be.
    pub should_be: String,
    /// How bad that is.
    pub severity: Severity,
    /// What to do, if anything: a command, or a sentence.
    pub what_to_do: Option<String>,
}

impl Finding {
    /// Whether another finding says the same of another topic or broker.
    pub fn says_the_same(&self, other: &Finding) -> bool {
        let Finding { of: _, property, is, should_be, severity, what_to_do } = self;
        (*property, is, should_be, *severity, what_to_do)
            == (other.property, &other.is, &other.should_be, other.severity, &other.what_to_do)
    }
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Its name on the cluster.
    pub name: String,
    /// Whether it was made; one that was there is left as it is.
    pub made: bool,
}

/// Makes the topics that are missing. `replication` is 3 by default, or the number of brokers where there are fewer.
/// [`Error::Unavailable`] when the cluster can't be reached, [`Error::Refused`] when it doesn't take the topics like this.
pub fn create(settings: &KafkaSettings, partitions: u32, replication: Option<i32>) -> Result<Vec<Created>, Error> {
    create_as(&Asking::connect(settings)?, settings, partitions, replication, LOG_APPEND_TIME)
}

/// The same with append times of that type.
fn create_as(
    asking: &Asking<'_>,
    settings: &KafkaSettings,
    partitions: u32,
    replication: Option<i32>,
    times: &str,
) -> Result<Vec<Created>, Error> {
    let missing = asking.missing()?;
    let most = i32::try_from(asking.brokers()?.len().min(REPLICATION)).unwrap_or(1);
    let replication = replication.unwrap_or(most);
    let in_sync = if replication >= 3 { "2" } else { "1" };
    let largest = MESSAGE_MAX_BYTES.to_string();
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    let names: Vec<String> = missing.iter().map(|topic| settings.topic(*topic)).collect();
    let new = |name| {
        NewTopic::new(name, count, TopicReplication::Fixed(replication))
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("retention.bytes", "-1")
            .set(TIMESTAMP_TYPE, times)
            .set("min.insync.replicas", in_sync)
            .set("unclean.leader.election.enable", "false")
            .set("max.message.bytes", &largest)
    };
    let wanted: Vec<NewTopic<'_>> = names.iter().map(|name| new(name)).collect();
    if !wanted.is_empty() {
        if let Some((name, code)) = asking.create(&wanted)?.first() {
            return Err(not_created(name, *code, replication));
        }
        asking.wait_for(&missing, KNOWN_WITHIN)?;
    }
    let made = |topic: Topic| Created { name: settings.topic(topic), made: missing.contains(&topic) };
    Ok(Topic::ALL.into_iter().map(made).collect())
}

/// Compares the topics and the brokers with what the design wants. `partitions` is the count that the topics must have;
/// without one they must only agree. [`Error::Unavailable`] when the cluster can't be reached.
pub fn check(settings: &KafkaSettings, partitions: Option<u32>) -> Result<Vec<Finding>, Error> {
    let cluster = Asking::connect(settings)?.facts()?;
    Ok(rules::findings(settings, &cluster, partitions))
}

/// What was found to be so bad, a sentence for each; the same said of several topics is one.
pub fn told(findings: &[Finding], severity: Severity) -> Vec<String> {
    let mut groups: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.severity == severity) {
        let same = |(first, _): &&mut (&Finding, _)| first.says_the_same(finding);
        match groups.iter_mut().find(same) {
            Some((_, names)) => names.push(&finding.of),
            None => groups.push((finding, vec![&finding.of])),
        }
    }
    let sentence = |(finding, names): (&Finding, Vec<&str>)| {
        let Finding { property, is, should_be, what_to_do, .. } = finding;
        let to_do = what_to_do.as_ref().map_or_else(String::new, |what| format!(" ({what})"));
        format!("{}: {property} is {is}, should be {should_be}{to_do}", names.join(", "))
    };
    groups.into_iter().map(sentence).collect()
}

/// [`Error::Refused`] if anything that was found loses or changes records; it says what, and what to do.
pub fn refuse(findings: &[Finding]) -> Result<(), Error> {
    let refused = told(findings, Severity::Refused);
    if refused.is_empty() {
        return Ok(());
    }
    let what = format!("the topics would lose records: {}; see: orderledger topics check", refused.join("; "));
    Err(Error::refused(At::Log, what))
}

/// The number of the broker that leads a partition now, negative while nobody does.
pub fn leader(settings: &KafkaSettings, of: TopicPartition) -> Result<i32, Error> {
    Asking::connect(settings)?.leader(of)
}

/// Deletes the topics, with all that is in them.
pub fn delete(settings: &KafkaSettings) -> Result<(), Error> {
    Asking::connect(settings)?.delete()
}

fn not_created(name: &str, code: Code, replication: i32) -> Error {
    let what = match code {
        Code::InvalidReplicationFactor => {
            format!(
                "topic {name} can't have {replication} replicas: there are fewer brokers; use a smaller --replication"
            )
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            format!("topic {name} may not be made: grant Create on it, or on the cluster, to this principal")
        }
        code => format!("the cluster doesn't make topic {name}: {code}"),
    };
    Error::refused(At::Log, what)
}
