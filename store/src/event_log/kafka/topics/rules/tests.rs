//! One cluster that is right, and what each wrong property leads to.

use super::*;
use crate::event_log::kafka::topics::facts::{Config, Partition};

fn settings() -> KafkaSettings {
    KafkaSettings { brokers: "b:9092".to_owned(), prefix: "p-".to_owned(), ..KafkaSettings::default() }
}

/// Three brokers, five topics of two partitions, everything as it should be.
fn cluster() -> Cluster {
    let config = |pairs: &[(&str, &str)]| -> Config {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let broker = |id| Broker {
        id,
        config: config(&[("transaction.max.timeout.ms", "10000"), ("auto.create.topics.enable", "false")]),
    };
    let found = || Found {
        partitions: vec![Partition { replicas: 3, first_offset: 0 }; 2],
        config: config(&[
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "LogAppendTime"),
            ("unclean.leader.election.enable", "false"),
            ("max.message.bytes", "1048588"),
            ("min.insync.replicas", "2"),
        ]),
    };
    let topics = Topic::ALL.into_iter().map(|topic| (topic, Some(found()))).collect();
    Cluster { brokers: vec![broker(1), broker(2), broker(3)], topics }
}

/// What is found once one thing is changed.
fn wrong(change: impl FnOnce(&mut Cluster), partitions: Option<u32>) -> Vec<Finding> {
    let mut cluster = cluster();
    change(&mut cluster);
    let findings = findings(&settings(), &cluster, partitions);
    findings.into_iter().filter(|finding| finding.severity != Severity::Fine).collect()
}

/// One finding: of what, which property, what it is, how bad.
fn check(change: impl FnOnce(&mut Cluster), of: &str, property: &str, is: &str, severity: Severity) {
    let findings = wrong(change, Some(2));
    let [finding] = findings.as_slice() else { panic!("{property}: {findings:?}") };
    assert_eq!((finding.of.as_str(), finding.property), (of, property));
    assert_eq!((finding.is.as_str(), finding.severity), (is, severity), "{finding:?}");
    assert!(finding.what_to_do.as_ref().is_some_and(|todo| !todo.is_empty()));
}

fn books(cluster: &mut Cluster) -> &mut Found {
    cluster.topics[1].1.as_mut().unwrap()
}

#[test]
fn a_cluster_as_it_should_be_has_only_fine_findings() {
    assert_eq!(wrong(|_| (), Some(2)), []);
    assert_eq!(wrong(|_| (), None), []);
    assert_eq!(findings(&settings(), &cluster(), None).len(), 5 * 10 + 3 * 2);
}

#[test]
fn each_wrong_property_of_a_topic_is_found() {
    for (property, value, severity) in [
        ("cleanup.policy", "compact", Severity::Refused),
        ("cleanup.policy", "compact,delete", Severity::Refused),
        ("retention.ms", "604800000", Severity::Refused),
        ("retention.bytes", "1073741824", Severity::Refused),
        ("message.timestamp.type", "CreateTime", Severity::Refused),
        ("unclean.leader.election.enable", "true", Severity::Warning),
        ("max.message.bytes", "1000", Severity::Refused),
        ("min.insync.replicas", "1", Severity::Warning),
        ("min.insync.replicas", "4", Severity::Warning),
    ] {
        let change = |cluster: &mut Cluster| drop(books(cluster).config.insert(property.to_owned(), value.to_owned()));
        check(change, "p-books", property, value, severity);
    }
}

#[test]
fn what_may_not_be_read_is_as_bad_as_what_is_wrong() {
    for (property, severity) in [("retention.ms", Severity::Refused), ("max.message.bytes", Severity::Refused)] {
        check(|cluster| drop(books(cluster).config.remove(property)), "p-books", property, "unknown", severity);
    }
    check(
        |cluster| drop(cluster.brokers[2].config.remove("transaction.max.timeout.ms")),
        "broker 3",
        "transaction.max.timeout.ms",
        "unknown",
        Severity::Warning,
    );
}

#[test]
fn partitions_and_their_beginning_are_looked_at() {
    check(|cluster| books(cluster).partitions.truncate(1), "p-books", "partitions", "1", Severity::Refused);
    check(|cluster| books(cluster).partitions[1].first_offset = 7, "p-books", "first offset", "7", Severity::Refused);
    check(|cluster| books(cluster).partitions[1].replicas = 2, "p-books", "replicas", "2", Severity::Warning);
    assert_eq!(wrong(|_| (), Some(3)).len(), 5);
    let unequal = wrong(|cluster| books(cluster).partitions.truncate(1), None);
    assert_eq!(unequal.len(), 1);
    assert!(unequal[0].what_to_do.as_ref().unwrap().contains("same count"));
}

#[test]
fn a_missing_topic_names_the_command_that_makes_it() {
    let findings = wrong(|cluster| cluster.topics[1].1 = None, None);
    assert_eq!(findings.len(), 1);
    let todo = "orderledger topics create --kafka-brokers b:9092 --topic-prefix p- --partitions 2";
    assert_eq!(findings[0].what_to_do.as_deref(), Some(todo));
    assert_eq!(wrong(|cluster| cluster.topics.iter_mut().for_each(|topic| topic.1 = None), None).len(), 5);
}

#[test]
fn the_brokers_own_settings_are_warnings() {
    for (property, value) in [("transaction.max.timeout.ms", "900000"), ("auto.create.topics.enable", "true")] {
        let change =
            |cluster: &mut Cluster| drop(cluster.brokers[0].config.insert(property.to_owned(), value.to_owned()));
        check(change, "broker 1", property, value, Severity::Warning);
    }
}

#[test]
fn one_broker_is_enough_with_a_warning_a_topic() {
    let alone = |cluster: &mut Cluster| {
        cluster.brokers.truncate(1);
        for (_, found) in &mut cluster.topics {
            let found = found.as_mut().unwrap();
            found.partitions.iter_mut().for_each(|partition| partition.replicas = 1);
            found.config.insert("min.insync.replicas".to_owned(), "1".to_owned());
        }
    };
    let findings = wrong(alone, Some(2));
    assert_eq!(findings.len(), 5);
    assert!(findings.iter().all(|finding| finding.property == "replicas" && finding.severity == Severity::Warning));
}
