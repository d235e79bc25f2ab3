//! `schema`: the versions of events, whether all that stands in a log can be read, and what an event looks like.

use std::collections::BTreeMap;

use orderledger_domain::schema::all;
use orderledger_domain::version::{STEPS, Version, check, corpus};
use orderledger_projections::versions::{Seen, Survey};
use serde_json::{Value, json};

use super::progress::Bar;
use super::{Failure, LogArgs, print, print_json};
use crate::ledger::open_log_to_look;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Schema {
    /// Every version of the log and of the golden corpus reaches the present one: no gap, no cycle (exit 4 otherwise).
    Check(CheckArgs),
    /// Prints the JSON Schema of an event's record; without a name, the names there are.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// OrderCreated, or OrderCreated-1.0 for that version of it.
    event: Option<String>,
    /// One JSON value on stdout: of an event its schema in one line, else the list of the names.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    log: LogArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(schema: &Schema) -> Result<(), Failure> {
    match schema {
        Schema::Check(args) => run_check(args),
        Schema::Show(args) => run_show(args),
    }
}

fn run_show(args: &ShowArgs) -> Result<(), Failure> {
    let forms = all();
    let Some(event) = &args.event else {
        if args.json {
            return print_json(&forms.iter().map(|form| form.name.as_str()).collect::<Vec<_>>());
        }
        return print(forms.iter().map(|form| format!("{}\n", form.name)).collect::<String>());
    };
    let form = forms.iter().find(|form| form.name == *event);
    let form = form.ok_or_else(|| {
        Failure::usage(format!("no event is called {event}: `orderledger schema show` names those there are"))
    })?;
    if args.json {
        return print_json(&form.schema);
    }
    print(serde_json::to_string_pretty(&form.schema).map_err(Failure::failed)? + "\n")
}

/// What the program knows by itself, and what stands in the log.
struct Checked {
    /// The records of the golden corpus, by version.
    corpus: BTreeMap<Version, u64>,
    /// What is wrong with the program, in words.
    faults: Vec<String>,
    survey: Survey,
}

fn run_check(args: &CheckArgs) -> Result<(), Failure> {
    let settings = args.log.settings()?;
    let (mut faults, mut by_version) = (Vec::new(), BTreeMap::new());
    faults.extend(check().err().map(|broken| broken.to_string()));
    for line in corpus::lines() {
        *by_version.entry(line.version).or_insert(0) += 1;
        faults.extend(line.check().err());
    }
    let (_data, log) = open_log_to_look(&settings)?;
    let mut bar = Bar::new(0, "records");
    let survey =
        Survey::of(&*log, &settings.key, &mut |passed| bar.set(usize::try_from(passed).unwrap_or(usize::MAX)))?;
    bar.end();
    let checked = Checked { corpus: by_version, faults, survey };
    if args.json {
        print_json(&checked.row())?
    } else {
        print(checked.table())?
    }
    let gaps = checked.survey.gap_count;
    if gaps > 0 {
        return Err(Failure::difference(format!(
            "{gaps} records of the ledger's own can't be read: a newer program wrote them; use that one on this log"
        )));
    }
    if !checked.faults.is_empty() {
        return Err(Failure::difference("this program doesn't read its own corpus: it is not to be used on any log"));
    }
    Ok(())
}

fn way(version: Version) -> Vec<String> {
    version.way().unwrap_or_default().iter().map(Version::to_string).collect()
}

impl Checked {
    fn row(&self) -> Value {
        let versions = Version::ALL.iter().map(|version| {
            let records = self.corpus.get(version).copied().unwrap_or(0);
            json!({"version": version.to_string(), "way": way(*version), "corpus": records})
        });
        let read = self.survey.read.iter().map(|((topic, event_type, version), Seen { records, first })| {
            json!({
                "topic": topic.name(),
                "eventType": event_type,
                "version": version.to_string(),
                "records": records,
                "first": first.to_string(),
            })
        });
        let refused = self.survey.refused.iter().map(|((topic, reason), Seen { records, first })| {
            json!({
                "topic": topic.name(),
                "reason": reason.as_str(),
                "records": records,
                "first": first.to_string(),
            })
        });
        let gaps = self.survey.gaps.iter().map(|gap| json!({"position": gap.position.to_string(), "why": gap.why}));
        json!({
            "complete": self.survey.gap_count == 0 && self.faults.is_empty(),
            "present": Version::PRESENT.to_string(),
            "versions": versions.collect::<Vec<_>>(),
            "faults": self.faults,
            "records": self.survey.records,
            "read": read.collect::<Vec<_>>(),
            "refused": refused.collect::<Vec<_>>(),
            "gaps": {"count": self.survey.gap_count, "first": gaps.collect::<Vec<_>>()},
        })
    }

    fn table(&self) -> String {
        let mut text = format!("records are read as version {}\n", Version::PRESENT);
        for step in STEPS {
            text.push_str(&format!("  {} → {}  {}\n", step.from, step.to, step.says));
        }
        for (version, records) in &self.corpus {
            text.push_str(&format!("golden corpus {version}: {records} records, {}\n", way(*version).join(" → ")));
        }
        for fault in &self.faults {
            text.push_str(&format!("  WRONG {fault}\n"));
        }
        text.push_str(&format!("{} records in the log\n", self.survey.records));
        for ((topic, name, version), Seen { records, first }) in &self.survey.read {
            text.push_str(&format!("  {:<12} {name:<22} {version:<5} {records:>10}, first {first}\n", topic.name()));
        }
        for ((topic, reason), Seen { records, first }) in &self.survey.refused {
            text.push_str(&format!("  {:<12} not read: {reason}  {records:>10}, first {first}\n", topic.name()));
        }
        for gap in &self.survey.gaps {
            text.push_str(&format!("  GAP {}: {}\n", gap.position, gap.why));
        }
        let named = u64::try_from(self.survey.gaps.len()).unwrap_or(u64::MAX);
        let others = self.survey.gap_count.saturating_sub(named);
        if others > 0 {
            text.push_str(&format!("  and {others} gaps more\n"));
        }
        text.push_str(if self.survey.gap_count == 0 { "no gap\n" } else { "" });
        text
    }
}
