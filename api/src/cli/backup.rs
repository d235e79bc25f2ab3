//! `backup`: the whole log into a file that was checked, beside a running server or without one.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use chrono::Utc;
use orderledger_store::Error;
use serde_json::json;

use super::log_export::{no_room, settle};
use super::log_verify::check_file;
use super::progress::Bar;
use super::server::{InsteadArgs, Server};
use super::{Failure, LogArgs, print, print_json};
use crate::export::{Saved, State, export, whole};
use crate::ledger::open_log_to_look;

/// How long the server may send nothing.
const SILENT_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    log: LogArgs,
    /// The directory that the backup goes to, on another disk or machine than the log; made if it is missing
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    server: InsteadArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let made = std::fs::create_dir_all(&args.to);
    made.map_err(|error| Failure::failed(format!("{}: can't be made: {error}", args.to.display())))?;
    let path = args.to.join(format!("orderledger-{}.jsonl", Utc::now().format("%Y%m%dT%H%M%S%3fZ")));
    let wrong = |error: io::Error| no_room(&path, &error);
    // Its values are everybody's orders: such a file is readable for its owner alone.
    let unfinished = tempfile::Builder::new().prefix(".backup-").tempfile_in(&args.to).map_err(wrong)?;
    let mut out = BufWriter::with_capacity(1 << 20, unfinished);
    write(args, &path, &mut out)?;
    out.flush().map_err(wrong)?;
    let unfinished = out.into_inner().map_err(|error| wrong(error.into_error()))?;
    unfinished.as_file().sync_all().map_err(wrong)?;
    // What was read back, and not what was sent, is the backup.
    let checked = check_file(unfinished.path(), &Saved::default())?;
    if let Some(broken) = &checked.broken {
        return Err(Failure::difference(format!(
            "what was written is not what was sent (line {}: {}); nothing is left of it; try again, on another disk",
            broken.line, broken.detail
        )));
    }
    if checked.state != State::Intact || !checked.holds_every_partition() {
        return Err(Failure::refused(
            "the log's first offset is gone, and without it nothing can be derived from a backup; keep what is left with \
             `orderledger log export`",
        ));
    }
    settle(unfinished, &path)?;
    let (file, records, parts) = (path.display(), checked.records, checked.parts.len());
    if args.json {
        return print_json(
            &json!({"file": file.to_string(), "parts": parts, "records": records, "state": checked.state}),
        );
    }
    print(format!(
        "{records} records of {parts} partitions in {file}, checked; `orderledger restore {file}` brings them back\n"
    ))
}

/// From the log, or from the server that has it.
fn write(args: &Args, path: &Path, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(server) = args.server.open()? {
        return from_server(&server, path, out);
    }
    match open_log_to_look(&args.log.settings()?) {
        Ok((_data, log)) => {
            let stretches = whole(&*log)?;
            let records = stretches.iter().fold(0_u64, |sum, stretch| sum.saturating_add(stretch.to));
            let mut bar = Bar::new(usize::try_from(records).unwrap_or(usize::MAX), "records");
            export(&*log, &stretches, out, &mut |done| bar.set(done)).map_err(|error| no_room(path, &error))?;
            bar.end();
            Ok(())
        }
        Err(Error::InUse { .. }) => from_server(&args.server.of(&args.log.data)?, path, out),
        Err(error) => Err(error.into()),
    }
}

fn from_server(server: &Server, path: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let body = server.stream("/v1/log/export")?;
    let broken = |why: String| {
        Failure::failed(format!("{} broke off: {why}; nothing is left of the backup; try again", server.url()))
    };
    let (pieces, mut bar, mut bytes) = (read_beside(body)?, Bar::new(0, "bytes"), 0_usize);
    loop {
        let piece = match pieces.recv_timeout(SILENT_MAX) {
            Ok(piece) => piece.map_err(|error| broken(error.to_string()))?,
            Err(_) => return Err(broken(format!("it sent nothing for {} s", SILENT_MAX.as_secs()))),
        };
        if piece.is_empty() {
            bar.end();
            return Ok(());
        }
        out.write_all(&piece).map_err(|error| no_room(path, &error))?;
        bytes = bytes.saturating_add(piece.len());
        bar.set(bytes);
    }
}

/// Reads on a thread of its own, so that a server that hangs is noticed. An empty piece is the end.
fn read_beside(mut body: Box<dyn Read + Send>) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (give, pieces) = sync_channel(4);
    std::thread::Builder::new().name("body".to_owned()).spawn(move || {
        loop {
            let mut piece = Vec::with_capacity(1 << 18);
            let read = Read::by_ref(&mut body).take(1 << 18).read_to_end(&mut piece);
            let ends = !matches!(read, Ok(1..));
            if give.send(read.map(|_| piece)).is_err() || ends {
                return;
            }
        }
    })?;
    Ok(pieces)
}
