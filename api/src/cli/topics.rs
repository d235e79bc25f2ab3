//! `topics`: makes the Kafka topics as they must be, or says what is wrong with them and what to do.

use clap::Subcommand;
use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_store::event_log::kafka::topics::{Created, Finding, Severity, check, create};
use serde_json::{Value, json};

use super::args::KafkaArgs;
use super::filling::replication;
use super::{Failure, print, print_json};
use crate::ledger::PARTITIONS;

#[derive(Debug, Subcommand)]
pub(super) enum Topics {
    /// Makes the topics that are missing, then checks all; one that is there is left as it is.
    Create(Create),
    /// Compares topics and brokers with what is needed; exit 3 if records would be lost.
    Check(Check),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// The partition count of every topic, for ever.
    #[arg(long, env = "ORDERLEDGER_PARTITIONS", default_value_t = PARTITIONS, value_parser = partitions())]
    partitions: u32,
    /// How many brokers keep each record [default: 3, or as many as there are]
    #[arg(long, env = "ORDERLEDGER_REPLICATION", value_parser = replication())]
    replication: Option<i32>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// The partition count that every topic must have [default: that of orders]
    #[arg(long, env = "ORDERLEDGER_PARTITIONS", value_parser = partitions())]
    partitions: Option<u32>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

fn partitions() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=1000)
}

pub(super) fn run(topics: &Topics) -> Result<(), Failure> {
    match topics {
        Topics::Create(args) => {
            let settings = args.kafka.settings()?;
            let created = create(&settings, args.partitions, args.replication)?;
            show(&settings, &created, Some(args.partitions), args.json)
        }
        Topics::Check(args) => show(&args.kafka.settings()?, &[], args.partitions, args.json),
    }
}

fn show(settings: &KafkaSettings, created: &[Created], partitions: Option<u32>, json: bool) -> Result<(), Failure> {
    let findings = check(settings, partitions)?;
    if json {
        print_json(&to_json(created, &findings))?;
    } else {
        print(lines(created) + &table(&findings))?;
    }
    let refused = findings.iter().filter(|finding| finding.severity == Severity::Refused).count();
    if refused == 0 {
        return Ok(());
    }
    let to_do = "the lines `refused` say what to do";
    Err(Failure::refused(format!("{refused} properties of the topics would lose records; {to_do}")))
}

fn lines(created: &[Created]) -> String {
    let line = |topic: &Created| {
        let what = if topic.made { "made" } else { "was there, left as it is" };
        format!("{}: {what}\n", topic.name)
    };
    let lines: String = created.iter().map(line).collect();
    if lines.is_empty() { lines } else { lines + "\n" }
}

/// A line a property, then what to do about those that are not fine.
fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.of.len()).max().unwrap_or(0).max("topic".len());
    let line = |of: &str, property: &str, is: &str, should_be: &str, severity: &str| {
        format!("{of:<width$}  {property:<30}  {is:<16}  {should_be:<16}  {severity}\n")
    };
    let mut text = line("topic", "property", "is", "should be", "");
    for Finding { of, property, is, should_be, severity, .. } in findings {
        text.push_str(&line(of, property, is, should_be, severity.as_str()));
    }
    let mut told: Vec<(&Finding, Vec<&str>)> = Vec::new();
    for severity in [Severity::Refused, Severity::Warning] {
        for finding in findings.iter().filter(|finding| finding.severity == severity) {
            let same = |(first, _): &&mut (&Finding, _)| first.says_the_same(finding);
            match told.iter_mut().find(same) {
                Some((_, names)) => names.push(&finding.of),
                None => told.push((finding, vec![&finding.of])),
            }
        }
    }
    for (Finding { property, is, severity, what_to_do, .. }, names) in told {
        let (of, to_do) = (names.join(", "), what_to_do.as_deref().unwrap_or_default());
        text.push_str(&format!("\n{}: {of}: {property} is {is}\n    {to_do}\n", severity.as_str()));
    }
    text
}

fn to_json(created: &[Created], findings: &[Finding]) -> Value {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let finding = |finding: &Finding| {
        json!({
            "of": finding.of,
            "property": finding.property,
            "is": finding.is,
            "shouldBe": finding.should_be,
            "severity": finding.severity.as_str(),
            "whatToDo": finding.what_to_do,
        })
    };
    json!({
        "created": created.iter().filter(|topic| topic.made).map(|topic| &topic.name).collect::<Vec<_>>(),
        "refused": count(Severity::Refused),
        "warnings": count(Severity::Warning),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
