//! `log export`: records byte for byte in a file that can be checked with nothing else.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use orderledger_domain::position::Topic;
use orderledger_store::event_log::EventLog;
use serde_json::json;
use tempfile::NamedTempFile;

use super::exit::in_full;
use super::log_dump::{start, topics};
use super::progress::Bar;
use super::{Failure, LogArgs, print, print_json};
use crate::export::{Stretch, consistent_ends, export};
use crate::ledger::open_log_to_look;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    log: LogArgs,
    /// One topic [default: all]
    #[arg(long, value_parser = topics())]
    topic: Option<Topic>,
    /// One partition of each topic [default: all]
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u32>,
    /// One partition from an offset on: 3@1842 with --topic, or orders-3@1842. What stands before is read, for the chain
    /// begins with it, but not written.
    #[arg(long, value_name = "P@O", conflicts_with = "partition")]
    from: Option<String>,
    /// The file; one that is there is replaced once the new one is whole.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let from = start(args.topic, args.from.as_deref())?;
    let (_data, log) = open_log_to_look(&args.log.settings()?)?;
    let partition = from.map(|from| from.partition).or(args.partition);
    if let Some(partition) = partition.filter(|partition| *partition >= log.partitions()) {
        let count = log.partitions();
        return Err(Failure::usage(format!(
            "every topic of this log has {count} partitions, from 0 on; not {partition}"
        )));
    }
    let topic = from.map(|from| from.topic).or(args.topic);
    let topics = Topic::ALL.into_iter().filter(|one| topic.is_none_or(|topic| topic == *one));
    let all = topics.flat_map(|topic| (0..log.partitions()).map(move |partition| topic.at(partition)));
    let mut stretches = Vec::new();
    let mut to_read = 0_u64;
    let ends = consistent_ends(&*log)?;
    for of in all.filter(|of| partition.is_none_or(|partition| partition == of.partition)) {
        let (first, to) = (log.first_offset(of)?, ends.get(&of).copied().unwrap_or(0));
        to_read = to_read.saturating_add(to.saturating_sub(first));
        let from = from.map_or(0, |from| from.offset);
        if from > to {
            return Err(Failure::usage(format!("--from {}: the partition ends at {to}", of.offset(from))));
        }
        stretches.push(Stretch { of, from, to });
    }
    let records = write(&*log, &stretches, &args.out, usize::try_from(to_read).unwrap_or(usize::MAX))?;
    let file = args.out.display();
    if args.json {
        return print_json(&json!({"file": file.to_string(), "parts": stretches.len(), "records": records}));
    }
    print(format!(
        "{records} records of {} partitions in {file}; `orderledger log verify {file}` checks it\n",
        stretches.len()
    ))
}

/// Beside the file first, so that there is the old one, or none, until the new one is whole and synced.
fn write(log: &dyn EventLog, stretches: &[Stretch], path: &Path, to_read: usize) -> Result<u64, Failure> {
    let told = |error: io::Error| no_room(path, &error);
    let unfinished = tempfile::Builder::new().prefix(".export-").tempfile_in(directory(path)).map_err(told)?;
    let mut out = BufWriter::with_capacity(1 << 20, unfinished);
    let mut bar = Bar::new(to_read, "records");
    let records = export(log, stretches, &mut out, &mut |done| bar.set(done)).map_err(told)?;
    bar.end();
    out.flush().map_err(told)?;
    let unfinished = out.into_inner().map_err(|error| told(error.into_error()))?;
    unfinished.as_file().sync_all().map_err(told)?;
    settle(unfinished, path)?;
    Ok(records)
}

/// Gives a file that is whole and synced its name.
pub(super) fn settle(unfinished: NamedTempFile, path: &Path) -> Result<(), Failure> {
    let told = |error: io::Error| no_room(path, &error);
    unfinished.persist(path).map_err(|error| told(error.error))?;
    File::open(directory(path)).and_then(|directory| directory.sync_all()).map_err(told)
}

/// What went wrong with a file that was being written.
pub(super) fn no_room(path: &Path, error: &io::Error) -> Failure {
    let (what, path) = (in_full(error), path.display());
    Failure::failed(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("{path}: no room: {what}; nothing is left of it; make room, or name a place elsewhere")
        }
        _ => format!("{path}: {what}"),
    })
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
