//! `benchmark history`: lists that go out whole.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::event_log::{AppenderKind, NewRecord, ReaderKind};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};
use uuid::Uuid;

use super::server;
use crate::cli::progress::Bar;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::latencies::{grouped, per_second};
use crate::ledger::{Settings, open_log};
use crate::spent;

pub(super) const ABOUT: &str = "\
Rows a second of `Accept: application/x-ndjson`, from a server that it starts, this very program.

The log is made first: deposits of the users by turns and what intake says of each, in one partition. Measured are the whole \
partition (`/v1/audit/events`) and single users (`…/transactions`), each one of so many as there are users, one after another, \
until they make a tenth of the log. What the system has of the view's files in its cache is dropped before each; sled's cache \
is as cold as reading the other rows leaves it. 'growth' is by how much the server's resident memory grew at most. 'of bare' is the \
share of the records a second that a loop reaches that reads the same partition out of the log's file and counts bytes.";

/// Where the whole log stands.
const PARTITION: TopicPartition = Topic::Orders.at(0);
const BATCH: u32 = 1000;
/// Batches that may wait for the log.
const BATCHES: usize = 16;
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3600);
const ASK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How many records the log has.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    records: u32,
    /// How many users they are of, by turns.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// What one measurement gave.
#[derive(Clone, Copy, Default)]
struct Streamed {
    rows: u64,
    bytes: u64,
    took: Duration,
    growth_bytes: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    generate(args, &data)?;
    let (address, pid) = server::start_on(&scratch, &data, &[], None)?;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    catch_up(&agent, address, &scratch)?;
    let whole = format!("http://{address}/v1/audit/events?topic=orders&partition=0");
    let whole = measured(pid, &data, || stream(&agent, &whole))?;
    let one = measured(pid, &data, || {
        let mut all = Streamed::default();
        for user in (0..args.users).take_while(|user| *user == 0 || user.saturating_mul(10) < args.users) {
            let list = format!("http://{address}/v1/accounts/{}/transactions?order=asc", name(user));
            let (rows, bytes) = stream(&agent, &list)?;
            (all.rows, all.bytes) = (all.rows.saturating_add(rows), all.bytes.saturating_add(bytes));
        }
        Ok((all.rows, all.bytes))
    })?;
    drop(agent);
    if !scratch.end_children() {
        return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
    }
    let bare = bare(&data)?;
    if whole.rows != bare.rows {
        let detail = format!("{} rows were streamed of {} records; report it", whole.rows, bare.rows);
        return Err(Failure::difference(detail));
    }
    show(args, [("whole partition", whole), ("single users", one), ("bare read", bare)])
}

fn name(user: u32) -> String {
    format!("user-{user}")
}

/// Deposits: half of the records, for intake says something of each.
fn generate(args: &Args, data: &Path) -> Result<(), Failure> {
    let settings = Settings { partitions: Some(1), ..Settings::new(data) };
    let (_data, log) = open_log(&settings, true)?;
    let appender = log.appender(AppenderKind::Client)?;
    let (told, done) = sync_channel(BATCHES);
    let (deposits, mut waiting) = (args.records / 2, 0_usize);
    let mut bar = Bar::new(usize::try_from(deposits).unwrap_or(0), "deposits");
    for first in (0..deposits).step_by(usize::try_from(BATCH).unwrap_or(1)) {
        let batch = (first..deposits.min(first.saturating_add(BATCH))).map(|number| deposit(number, args.users));
        let told = told.clone();
        // Whoever waits hears of it, unless it has failed already.
        appender.append(batch.collect(), Box::new(move |appended| drop(told.try_send(appended.map(drop)))))?;
        waiting = waiting.saturating_add(1);
        if waiting >= BATCHES {
            done.recv().map_err(Failure::failed)??;
            waiting = waiting.saturating_sub(1);
        }
        bar.set(usize::try_from(first).unwrap_or(0));
    }
    for _ in 0..waiting {
        done.recv().map_err(Failure::failed)??;
    }
    bar.end();
    Ok(())
}

fn deposit(number: u32, users: u32) -> NewRecord {
    const VERSION_4: u128 = 0x4000_8000_0000_0000_0000;
    let (id, user) = (Uuid::from_u128(VERSION_4 | u128::from(number)), name(number % users));
    let envelope = json!({
        "eventId": id,
        "eventType": "DepositMade",
        "timestamp": "2025-01-15T10:30:00.120Z",
        "payload": {"userId": user, "asset": "USD", "amount": 25.5},
        "metadata": {"version": "2.0", "source": "benchmark", "correlationId": id},
    });
    NewRecord {
        to: PARTITION,
        key: Some(Bytes::from(user)),
        value: Some(Bytes::from(envelope.to_string())),
        headers: Vec::new(),
    }
}

/// Waits until the stages are done and every view is at the log's end.
pub(super) fn catch_up(agent: &ureq::Agent, address: SocketAddr, scratch: &Scratch) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < CAUGHT_UP_WITHIN && scratch.children_run() {
        let is_ready = agent.get(format!("http://{address}/readyz")).call().is_ok();
        if is_ready && behind(agent, address)? == 0 {
            return Ok(());
        }
        std::thread::sleep(ASK_EVERY);
    }
    Err(Failure::failed(format!("the server on {address} did not catch up; look at its messages above")))
}

fn behind(agent: &ureq::Agent, address: SocketAddr) -> Result<u64, Failure> {
    let mut answer = agent.get(format!("http://{address}/v1/projections")).call().map_err(Failure::failed)?;
    let status: Value = answer.body_mut().read_json().map_err(Failure::failed)?;
    let lists = ["data", "stages"].into_iter().filter_map(|list| status.get(list)?.as_array());
    Ok(lists.flatten().filter_map(|row| row.get("lagRecords")?.as_u64()).fold(0, u64::saturating_add))
}

/// Reads a list to its end; its rows and bytes.
fn stream(agent: &ureq::Agent, list: &str) -> Result<(u64, u64), Failure> {
    let request = agent.get(list).header("accept", "application/x-ndjson");
    let mut body = request.call().map_err(Failure::failed)?.into_body().into_with_config().limit(u64::MAX).reader();
    let (mut rows, mut bytes, mut piece) = (0_u64, 0_u64, vec![0; 64 << 10]);
    loop {
        let read = body.read(&mut piece)?;
        if read == 0 {
            return Ok((rows, bytes));
        }
        let ends = piece.iter().take(read).filter(|byte| **byte == b'\n').count();
        rows = rows.saturating_add(u64::try_from(ends).unwrap_or(0));
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(0));
    }
}

fn measured(server: u32, data: &Path, read: impl FnOnce() -> Result<(u64, u64), Failure>) -> Result<Streamed, Failure> {
    forget_cached(&data.join("views"))?;
    spent::forget_peak_of(server);
    let (before, begun) = (spent::held_bytes_of(server), Instant::now());
    let (rows, bytes) = read()?;
    let took = begun.elapsed();
    Ok(Streamed { rows, bytes, took, growth_bytes: spent::peak_bytes_of(server).saturating_sub(before) })
}

/// What is written of the files is no longer in the system's cache.
pub(super) fn forget_cached(directory: &Path) -> Result<(), Failure> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            forget_cached(&entry.path())?;
        } else {
            let file = File::open(entry.path())?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed).map_err(Failure::failed)?;
        }
    }
    Ok(())
}

/// The same records out of the log's file.
fn bare(data: &Path) -> Result<Streamed, Failure> {
    let (_data, log) = open_log(&Settings::new(data), false)?;
    let end = log.end_offset(PARTITION)?;
    let begun = Instant::now();
    let mut reader = log.reader(&[(PARTITION, 0)], ReaderKind::Rebuild)?;
    let mut read = Streamed::default();
    while reader.position(PARTITION) < end {
        for record in reader.poll(ASK_EVERY)?.into_iter().flat_map(|fetched| fetched.records) {
            let bytes = [&record.key, &record.value].into_iter().flatten().map(Bytes::len).sum::<usize>();
            read.bytes = read.bytes.saturating_add(u64::try_from(bytes).unwrap_or(0));
            read.rows = read.rows.saturating_add(1);
        }
    }
    Ok(Streamed { took: begun.elapsed(), ..read })
}

fn show(args: &Args, rows: [(&str, Streamed); 3]) -> Result<(), Failure> {
    let rate = |read: &Streamed| per_second(read.rows, read.took);
    let of_bare = |read: &Streamed| {
        let bare = rows.iter().find(|(name, _)| *name == "bare read").map_or(1, |(_, bare)| rate(bare));
        rate(read).saturating_mul(100) / bare.max(1)
    };
    if args.json {
        let row = |(name, read): &(&str, Streamed)| {
            json!({
                "list": name,
                "rows": read.rows,
                "bytes": read.bytes,
                "micros": u64::try_from(read.took.as_micros()).unwrap_or(u64::MAX),
                "rowsPerSecond": rate(read),
                "bytesPerSecond": per_second(read.bytes, read.took),
                "growthBytes": read.growth_bytes,
                "percentOfBare": of_bare(read),
            })
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        return print_json(&json!({ "records": args.records, "users": args.users, "rows": rows }));
    }
    let mut text = format!(
        "{} records of {} users in one partition\n\n{:<16} {:>11} {:>11} {:>8} {:>11} {:>8}\n",
        grouped(args.records),
        grouped(args.users),
        "",
        "rows",
        "rows/s",
        "MB/s",
        "growth MiB",
        "of bare"
    );
    for (name, read) in &rows {
        text.push_str(&format!(
            "{name:<16} {:>11} {:>11} {:>8} {:>11} {:>7}%\n",
            grouped(read.rows),
            grouped(rate(read)),
            grouped(per_second(read.bytes, read.took) / 1_000_000),
            grouped(read.growth_bytes >> 20),
            of_bare(read),
        ));
    }
    print(text)
}
