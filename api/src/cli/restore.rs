//! `restore`: a backup, or an export of a whole log, into an empty data directory or empty topics.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::filling::{Filling, replication};
use super::log_verify::check_file;
use super::{Failure, LogArgs, print, print_json};
use crate::export::{Origin, Saved, State};
use crate::ledger::restore::{restore_embedded, restore_kafka};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The backup, or an export of all partitions.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// How many brokers keep each record [default: 3, or as many as there are]
    #[arg(long, env = "ORDERLEDGER_REPLICATION", value_parser = replication())]
    replication: Option<i32>,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let settings = args.log.settings()?;
    let (partitions, to_copy) = whole(&args.file)?;
    if let Some(asked) = settings.partitions.filter(|asked| *asked != partitions) {
        return Err(Failure::usage(format!(
            "{} has {partitions} partitions a topic, not {asked}; leave --partitions out",
            args.file.display()
        )));
    }
    let from = Origin::File(args.file.clone());
    let mut filling = Filling::new(to_copy);
    let (records, place) = match &settings.kafka {
        None => {
            let records =
                restore_embedded(&settings.data, partitions, &from, &mut |step, done| filling.told(step, done))?;
            (records, settings.data.display().to_string())
        }
        Some(kafka) => {
            let count = (partitions, args.replication);
            let filled = restore_kafka(kafka, count, &from, &mut |step, done| filling.told(step, done));
            (filled.map_err(Filling::failed_on_kafka)?, format!("topics {}… at {}", kafka.prefix, kafka.brokers))
        }
    };
    filling.end();
    if args.json {
        return print_json(&json!({"to": place, "partitions": partitions, "records": records, "compared": records}));
    }
    print(format!(
        "{records} records restored into {place} and compared, all equal; start the server, then `orderledger verify`\n"
    ))
}

/// How many partitions a topic has in the file, which must be a whole log, and how many records there are.
fn whole(file: &Path) -> Result<(u32, usize), Failure> {
    let checked = check_file(file, &Saved::default())?;
    if let Some(broken) = &checked.broken {
        return Err(Failure::difference(format!(
            "{}: broken at line {}: {}; nothing was restored; take another backup",
            file.display(),
            broken.line,
            broken.detail
        )));
    }
    let partitions = checked.partitions.unwrap_or(0);
    if checked.state != State::Intact || !checked.holds_every_partition() {
        return Err(Failure::refused(format!(
            "{} is only a part of a log; a log is restored from `orderledger backup`, or from `orderledger log export` without \
             --topic, --partition and --from",
            file.display()
        )));
    }
    Ok((partitions, usize::try_from(checked.records).unwrap_or(usize::MAX)))
}
