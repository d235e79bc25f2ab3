//! The auditor: reads a log at rest and says what is wrong with it, with code of its own: plain maps, 128-bit integers and
//! JSON as it stands. It knows the stages' rules from their description, not from their code.
//!
//! In: records, however they were read, and the key of the streams; the journal of clients and what the views show, where
//! there are some. Out: findings, none if all is well, and the story that the log tells. It never panics on what it reads.
//! It uses nothing of `domain` but the names of topics, and nothing of `projections`.

mod book;
mod carried;
mod intake;
pub mod journal;
mod log;
mod matching;
mod money;
mod murmur2;
mod outputs;
mod records;
mod siphash;
mod story;
pub mod views;

use std::collections::BTreeMap;

pub use log::{Log, Record, TOPICS};
pub use money::Order;
pub use story::{Fill, Story, Trade, Who};

use intake::Intake;
use money::Money;
use records::{Kind, Rec};

/// More findings follow from the first ones.
const FINDINGS_MAX: usize = 20;

/// The secrets of the streams.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// That of the digests, which the log was begun with: sixteen zeros if there is none.
    pub secret: [u8; 16],
    /// Those that seal, by their ids.
    pub later: BTreeMap<String, [u8; 16]>,
}

impl Keys {
    /// The key of that id.
    fn of(&self, id: &str) -> Option<&[u8; 16]> {
        if id == "0" { self.at_first().map(|_| &self.secret) } else { self.later.get(id) }
    }

    /// The key in force before any is set.
    fn at_first(&self) -> Option<&'static str> {
        (self.secret != [0; 16]).then_some("0")
    }
}

/// What is wrong, in words, each with a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<String>);

impl Findings {
    /// Adds one, if there are not too many yet.
    pub fn add(&mut self, finding: impl Into<String>) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(finding.into());
        }
    }

    /// Adds what went wrong, if anything did.
    pub fn check(&mut self, result: Result<(), String>) {
        if let Err(finding) = result {
            self.add(finding);
        }
    }

    /// All of them.
    pub fn all(&self) -> &[String] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// What an audit found, and what the log tells.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// What is wrong.
    pub findings: Findings,
    /// What the log tells.
    pub story: Story,
    /// How much of what there was: an audit of little says little.
    pub seen: BTreeMap<String, u64>,
}

/// Audits a whole log whose stages have handled everything in it.
pub fn audit(log: &Log, keys: &Keys) -> Audit {
    let mut audit = Audit::default();
    let mut all = BTreeMap::new();
    for topic in TOPICS {
        for partition in 0..log.partitions {
            let records = records::read(log, (topic, partition), keys, &mut audit.findings);
            records::check_strangers(&records, &mut audit.findings);
            all.insert((topic, partition), records);
        }
    }
    let outputs = outputs::by_cause(&all, &mut audit.findings);
    for partition in 0..log.partitions {
        let records = all.get(&("orders", partition)).map_or(&[][..], Vec::as_slice);
        check_orders(records, (partition, log.partitions), keys, &outputs, &mut audit);
        let records = all.get(&("books", partition)).map_or(&[][..], Vec::as_slice);
        matching::check(records, log.partitions, &outputs, &mut audit);
    }
    story::check_trades(&all, &mut audit);
    let Audit { findings, story, .. } = &mut audit;
    story.check_at_rest(findings);
    story.check_sums(findings);
    audit
}

/// One partition of `orders`: every request answered once and rightly, and what that comes to.
fn check_orders(
    all: &[Rec],
    (partition, partitions): (u32, u32),
    keys: &Keys,
    outputs: &outputs::ByCause<'_>,
    audit: &mut Audit,
) {
    let (mut intake, mut view) = (Intake::new(partition, partitions, keys), Money::default());
    let Audit { findings, story, seen } = audit;
    let mut sealed_by = serde_json::Value::Null;
    for rec in all {
        match rec.kind {
            Kind::Repeat => {
                *seen.entry("repeats in the log".to_owned()).or_default() += 1;
                story.note_again(rec);
            }
            Kind::Early => story.note_again(rec),
            Kind::Outside => {
                let caused = outputs.get(&(rec.of, rec.offset)).map_or(&[][..], Vec::as_slice);
                match caused.first().filter(|answer| answer.of == rec.of) {
                    None => findings.add(format!("never answered: {rec}")),
                    Some(answer) => {
                        findings.check(intake.judge(rec, answer));
                        findings.check(outputs::check_copies(caused, partitions));
                        findings.check(carried::check(rec, caused, intake.rules()));
                        story.note_request(rec, answer);
                    }
                }
            }
            Kind::Next => {
                if rec.event_type == "StreamKeySet" && sealed_by != *rec.payload() {
                    sealed_by = rec.payload().clone();
                    let caused = outputs.get(&(rec.of, rec.offset)).map_or(&[][..], Vec::as_slice);
                    findings.check(outputs::check_taken(rec, caused, partitions));
                }
                *seen.entry(rec.event_type.clone()).or_default() += 1;
                findings.check(intake.read(rec));
                findings.check(view.apply(rec));
                findings.check(story.note(rec));
            }
        }
    }
    view.check_equal(intake.money(), findings);
    story.add(view);
}
