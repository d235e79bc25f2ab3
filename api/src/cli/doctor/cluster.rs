//! The Kafka cluster: brokers, topics, retention, replicas, and when the newest record was appended.

use orderledger_domain::position::Topic;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::kafka::topics::{self, Finding, Severity};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaSettings};

use super::{Check, State};
use crate::cli::LogArgs;
use crate::cli::args::LogKind;

/// The lines, and the properties that each is about; the first takes all others.
const LINES: [(&str, &[&str]); 3] = [
    ("topics", &[]),
    ("retention", &["retention.ms", "retention.bytes", "cleanup.policy"]),
    ("replicas", &["replicas", "min.insync.replicas", "unclean.leader.election.enable"]),
];

/// Looks at the cluster, if the log is there; when its newest record was appended, in milliseconds since 1970.
pub(super) fn look(log: &LogArgs, has_data: bool, checks: &mut Vec<Check>) -> Option<i64> {
    const BROKERS: &str = "brokers";
    if log.log == LogKind::Embedded {
        return None;
    }
    let asked = log.kafka.settings().map_err(|failure| Check::failed(BROKERS, failure.to_string(), None));
    let found = asked.and_then(|settings| {
        topics::check(&settings, log.partitions)
            .map(|findings| (settings, findings))
            .map_err(|error| Check::of(BROKERS, error))
    });
    let (settings, mut findings) = match found {
        Ok(found) => found,
        Err(check) => {
            checks.push(check);
            return None;
        }
    };
    // With data that stand beyond them a start goes on, as it does without these records.
    for finding in findings.iter_mut().filter(|finding| has_data && finding.property == "first offset") {
        finding.severity = finding.severity.min(Severity::Warning);
    }
    checks.extend(lines(&settings, &findings));
    if findings.iter().any(|finding| finding.property == "topic") {
        return None;
    }
    newest(&settings, log.partitions).unwrap_or_else(|error| {
        checks.push(Check::of("log", error));
        None
    })
}

fn lines(settings: &KafkaSettings, findings: &[Finding]) -> Vec<Check> {
    let (of_brokers, of_topics): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.of.starts_with("broker "));
    let mut brokers: Vec<&str> = of_brokers.iter().map(|finding| finding.of.as_str()).collect();
    brokers.dedup();
    let answer = match brokers.len() {
        1 => "1 broker answers".to_owned(),
        count => format!("{count} brokers answer"),
    };
    let mut checks = vec![check("brokers", &of_brokers, format!("{answer} at {}", settings.brokers))];
    for (name, properties) in LINES {
        let others = |finding: &&&Finding| !LINES.iter().any(|(_, own)| own.contains(&finding.property));
        let of_line: Vec<&Finding> = of_topics
            .iter()
            .filter(
                |finding| if properties.is_empty() { others(finding) } else { properties.contains(&finding.property) },
            )
            .copied()
            .collect();
        checks.push(check(name, &of_line, fine(name, &of_line)));
    }
    checks
}

/// What is said where nothing is wrong.
fn fine(name: &str, findings: &[&Finding]) -> String {
    let is = |property: &str| {
        findings.iter().find(|finding| finding.property == property).map_or("?", |finding| &finding.is)
    };
    match name {
        "topics" => format!(
            "{} topics of {} partitions, each from offset {} on",
            Topic::ALL.len(),
            is("partitions"),
            is("first offset")
        ),
        "retention" => "for ever".to_owned(),
        _ => {
            format!("{} of each partition, {} in sync before a write counts", is("replicas"), is("min.insync.replicas"))
        }
    }
}

/// One line about these findings: what the worst of them say, or that all is fine.
fn check(name: &'static str, findings: &[&Finding], fine: String) -> Check {
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine);
    if worst == Severity::Fine {
        return Check::ok(name, fine);
    }
    let told: Vec<Finding> =
        findings.iter().filter(|finding| finding.severity == worst).map(|finding| (*finding).clone()).collect();
    let without_to_do: Vec<Finding> =
        told.iter().map(|finding| Finding { what_to_do: None, ..finding.clone() }).collect();
    let mut to_do: Vec<String> = told.into_iter().filter_map(|finding| finding.what_to_do).collect();
    to_do.dedup();
    let is_refused = worst == Severity::Refused;
    Check {
        check: name,
        state: if is_refused { State::Failed } else { State::Warning },
        detail: topics::told(&without_to_do, worst).join("; "),
        what_to_do: (!to_do.is_empty()).then(|| to_do.join("; ")),
        refused: is_refused,
    }
}

/// When the newest record was appended.
fn newest(settings: &KafkaSettings, partitions: Option<u32>) -> Result<Option<i64>, Error> {
    let log = KafkaLog::open(settings.clone(), partitions)?;
    let mut newest = None;
    for of in Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |partition| topic.at(partition))) {
        let Some(last) = log.end_offset(of)?.checked_sub(1) else { continue };
        newest = newest.max(log.read(of, last, 1)?.first().map(|record| record.recorded_at_ms));
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(of: &str, property: &'static str, is: &str, severity: Severity) -> Finding {
        let what_to_do = (severity != Severity::Fine).then(|| format!("set {property} of {of}"));
        Finding { of: of.to_owned(), property, is: is.to_owned(), should_be: "right".to_owned(), severity, what_to_do }
    }

    #[test]
    fn each_line_says_its_worst_and_what_to_do() {
        let findings = [
            finding("orders", "partitions", "12", Severity::Fine),
            finding("orders", "first offset", "0", Severity::Fine),
            finding("orders", "retention.ms", "1", Severity::Refused),
            finding("books", "retention.ms", "1", Severity::Refused),
            finding("orders", "replicas", "1", Severity::Warning),
            finding("broker 1", "auto.create.topics.enable", "false", Severity::Fine),
        ];
        let lines = lines(&KafkaSettings { brokers: "h:1".to_owned(), ..KafkaSettings::default() }, &findings);
        insta::assert_snapshot!(lines.iter().map(super::super::line).collect::<String>(), @r"
        ok       brokers        1 broker answers at h:1
        ok       topics         5 topics of 12 partitions, each from offset 0 on
        failed   retention      orders, books: retention.ms is 1, should be right; set retention.ms of orders; set retention.ms of books
        warning  replicas       orders: replicas is 1, should be right; set replicas of orders
        ");
        assert!(lines.iter().any(|line| line.refused));
    }
}
