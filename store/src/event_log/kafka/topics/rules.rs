//! The rules: what a property should be, how bad it is if it isn't, and what to do then.

use orderledger_domain::position::Topic;

use super::facts::{Broker, Cluster, Found};
use super::{Finding, Severity};
use crate::event_log::kafka::{KafkaSettings, MESSAGE_MAX_BYTES};

/// An open transaction of a foreign producer holds every reader that long.
const TRANSACTION_MAX_MS: i64 = 10_000;
/// So many replicas survive a broker that is lost while another is in maintenance.
const REPLICAS: usize = 3;

/// A property that a topic's configuration should have: its name, its value, and how bad another one is.
const WANTED: [(&str, &str, Severity); 6] = [
    ("cleanup.policy", "delete", Severity::Refused),
    ("retention.ms", "-1", Severity::Refused),
    ("retention.bytes", "-1", Severity::Refused),
    ("message.timestamp.type", "LogAppendTime", Severity::Refused),
    ("unclean.leader.election.enable", "false", Severity::Warning),
    ("max.message.bytes", "", Severity::Refused),
];

/// Every property of every topic and broker that the design looks at.
pub(super) fn findings(settings: &KafkaSettings, cluster: &Cluster, partitions: Option<u32>) -> Vec<Finding> {
    let counts = || cluster.topics.iter().filter_map(|(_, found)| found.as_ref().map(|found| found.partitions.len()));
    let wanted = partitions.and_then(|count| usize::try_from(count).ok());
    let rules =
        Rules { settings, brokers: cluster.brokers.len(), count: wanted.or_else(|| counts().next()), pinned: wanted };
    let of_topics = cluster.topics.iter().flat_map(|(topic, found)| rules.topic(*topic, found.as_ref()));
    let of_brokers = cluster.brokers.iter().flat_map(broker);
    of_topics.chain(of_brokers).collect()
}

struct Rules<'a> {
    settings: &'a KafkaSettings,
    brokers: usize,
    /// The partition count that all topics should have.
    count: Option<usize>,
    /// The same, if it was asked for.
    pinned: Option<usize>,
}

impl Rules<'_> {
    fn topic(&self, topic: Topic, found: Option<&Found>) -> Vec<Finding> {
        let name = self.settings.topic(topic);
        let Some(found) = found else { return vec![self.missing(name)] };
        let mut findings = vec![self.partitions(&name, found), self.first_offset(&name, found)];
        findings.extend(WANTED.iter().map(|wanted| self.property(&name, found, *wanted)));
        findings.push(self.replicas(&name, found));
        findings.push(self.in_sync(&name, found));
        findings
    }

    fn missing(&self, name: String) -> Finding {
        let prefix = if self.settings.prefix.is_empty() {
            String::new()
        } else {
            format!(" --topic-prefix {}", self.settings.prefix)
        };
        let partitions = self.count.map_or_else(String::new, |count| format!(" --partitions {count}"));
        let brokers = &self.settings.brokers;
        Finding {
            of: name,
            property: "topic",
            is: "missing".to_owned(),
            should_be: "there".to_owned(),
            severity: Severity::Refused,
            what_to_do: Some(format!("orderledger topics create --kafka-brokers {brokers}{prefix}{partitions}")),
        }
    }

    fn partitions(&self, name: &str, found: &Found) -> Finding {
        let count = found.partitions.len();
        let should = self.count.unwrap_or(count);
        let todo = match self.pinned {
            Some(_) => format!(
                "a topic's partitions can't be changed without moving its keys: use --partitions {count} with a new data \
                 directory, or fresh topics with {should} partitions and another --topic-prefix"
            ),
            None => "all topics need the same count: make fresh topics with another --topic-prefix".to_owned(),
        };
        let severity = if count == should { Severity::Fine } else { Severity::Refused };
        finding(name, "partitions", count.to_string(), should.to_string(), severity, todo)
    }

    fn first_offset(&self, name: &str, found: &Found) -> Finding {
        let first = found.partitions.iter().map(|partition| partition.first_offset).max().unwrap_or(0);
        let severity = if first > 0 { Severity::Refused } else { Severity::Fine };
        let todo = "the records before it were deleted, and nothing can be derived without them: restore the topic from a \
                    copy, or begin with fresh topics and another --topic-prefix";
        finding(name, "first offset", first.to_string(), "0".to_owned(), severity, todo.to_owned())
    }

    fn property(&self, name: &str, found: &Found, (property, wanted, bad): (&'static str, &str, Severity)) -> Finding {
        let largest = MESSAGE_MAX_BYTES.to_string();
        let size = property == "max.message.bytes";
        let wanted = if size { largest.as_str() } else { wanted };
        let Some(is) = found.config.get(property) else {
            return unreadable(name, property, wanted, bad, &format!("topic {name}"));
        };
        let right = if size { number(is) >= i64::from(MESSAGE_MAX_BYTES) } else { is == wanted };
        let severity = if right { Severity::Fine } else { bad };
        let should = if size { format!("{wanted} or more") } else { wanted.to_owned() };
        finding(name, property, is.clone(), should, severity, self.set(name, property, wanted))
    }

    fn replicas(&self, name: &str, found: &Found) -> Finding {
        let replicas = found.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0);
        let severity = if replicas < REPLICAS { Severity::Warning } else { Severity::Fine };
        let todo = if self.brokers > replicas {
            format!("kafka-reassign-partitions.sh gives topic {name} more replicas")
        } else {
            format!("a cluster of {} can't hold more; what is lost with its disks is lost: add brokers", self.brokers)
        };
        finding(name, "replicas", replicas.to_string(), format!("{REPLICAS} or more"), severity, todo)
    }

    fn in_sync(&self, name: &str, found: &Found) -> Finding {
        let property = "min.insync.replicas";
        let replicas = found.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0);
        let wanted = if replicas >= REPLICAS { "2" } else { "1" };
        let Some(is) = found.config.get(property) else {
            return unreadable(name, property, wanted, Severity::Warning, &format!("topic {name}"));
        };
        let too_many = usize::try_from(number(is)).is_ok_and(|least| least > replicas);
        let severity = if number(is) < number(wanted) || too_many { Severity::Warning } else { Severity::Fine };
        let should = if replicas >= REPLICAS { "2 or more".to_owned() } else { format!("at most {replicas}") };
        finding(name, property, is.clone(), should, severity, self.set(name, property, wanted))
    }

    /// The command that sets a topic's property.
    fn set(&self, name: &str, property: &str, value: &str) -> String {
        format!(
            "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {name} --add-config {property}={value}",
            self.settings.brokers
        )
    }
}

fn broker(broker: &Broker) -> [Finding; 2] {
    let name = format!("broker {}", broker.id);
    let set = |property: &str, value: &str| format!("in the broker's server.properties: {property}={value}");
    let longest = {
        let (property, wanted) = ("transaction.max.timeout.ms", TRANSACTION_MAX_MS.to_string());
        match broker.config.get(property) {
            None => unreadable(&name, property, &wanted, Severity::Warning, "the cluster"),
            Some(is) => {
                let severity = if number(is) <= TRANSACTION_MAX_MS { Severity::Fine } else { Severity::Warning };
                let todo = format!(
                    "an open transaction of a foreign producer holds every reader that long; {}",
                    set(property, &wanted)
                );
                finding(&name, property, is.clone(), format!("{wanted} or less"), severity, todo)
            }
        }
    };
    let automatic = {
        let property = "auto.create.topics.enable";
        match broker.config.get(property) {
            None => unreadable(&name, property, "false", Severity::Warning, "the cluster"),
            Some(is) => {
                let severity = if is == "false" { Severity::Fine } else { Severity::Warning };
                let todo =
                    format!("a deleted topic would come back empty, with finite retention; {}", set(property, "false"));
                finding(&name, property, is.clone(), "false".to_owned(), severity, todo)
            }
        }
    };
    [longest, automatic]
}

/// A property that this principal may not read, or that the broker doesn't know.
fn unreadable(of: &str, property: &'static str, should_be: &str, severity: Severity, resource: &str) -> Finding {
    let todo = format!("it can't be read: grant DescribeConfigs on {resource} to this principal");
    finding(of, property, "unknown".to_owned(), should_be.to_owned(), severity, todo)
}

fn finding(
    of: &str,
    property: &'static str,
    is: String,
    should_be: String,
    severity: Severity,
    what_to_do: String,
) -> Finding {
    let what_to_do = (severity != Severity::Fine).then_some(what_to_do);
    Finding { of: of.to_owned(), property, is, should_be, severity, what_to_do }
}

/// A number; what is none is below every bound.
fn number(text: &str) -> i64 {
    text.parse().unwrap_or(i64::MIN)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
