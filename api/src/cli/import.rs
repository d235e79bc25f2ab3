//! `import`: real order flow, or envelopes, into the log and through the ledger, ended when every worker has caught up.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use clap::Subcommand;
use orderledger_domain::ids::Symbol;
use orderledger_domain::timestamp::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::progress::Bar;
use super::{Failure, LogArgs, print};
use crate::import::accounts::Accounts;
use crate::import::drive::Driver;
use crate::import::step::{Orders, Step};
use crate::import::{bitstamp, events, lines::ImportError, lobster};
use crate::ledger::{Ledger, Opened};

/// How long everything may take to be settled after the last record.
const SETTLED_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug, Subcommand)]
pub(super) enum Feed {
    /// A message file of LOBSTER.
    Lobster(Lobster),
    /// A raw order feed of Bitstamp: `<ms> <event> <json>` a line.
    Bitstamp(Bitstamp),
    /// Envelopes of outside types, one a line, as they are.
    Events(Events),
}

#[derive(Debug, clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    log: LogArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Synthetic {
    /// How many synthetic accounts the orders are spread over, half of them buyers.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    users: u32,
}

#[derive(Debug, clap::Args)]
pub(super) struct Lobster {
    /// The message file.
    file: PathBuf,
    /// The symbol.
    #[arg(long)]
    symbol: Symbol,
    /// The order book file of the same day: compares the book level by level after every message.
    #[arg(long, value_name = "ROWS", conflicts_with = "whole_day")]
    orderbook: Option<PathBuf>,
    /// The file shows only what happens in its levels: an order's size is what the file later takes from it.
    #[arg(long)]
    whole_day: bool,
    #[command(flatten)]
    synthetic: Synthetic,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Bitstamp {
    /// The file, plain text; - is stdin.
    file: PathBuf,
    #[command(flatten)]
    synthetic: Synthetic,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(super) struct Events {
    /// The file; - is stdin.
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(feed: Feed) -> Result<(), Failure> {
    match feed {
        Feed::Lobster(args) => run_lobster(&args),
        Feed::Bitstamp(args) => run_bitstamp(&args),
        Feed::Events(args) => run_events(&args),
    }
}

/// The ledger, its workers and a runtime to wait in, for one import.
struct Importing {
    ledger: Arc<Ledger>,
    runtime: Runtime,
    workers: crate::ledger::Workers,
    begun: Instant,
}

impl Importing {
    fn open(common: &Common) -> Result<Importing, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        let Opened { ledger, workers } = Opened::open(&common.log.settings()?)?;
        Ok(Importing { ledger, runtime, workers, begun: Instant::now() })
    }

    fn driver(&self, name: &str, symbol: Symbol, synthetic: &Synthetic) -> Result<Driver, Failure> {
        let accounts =
            Accounts::new(name, symbol, per_side(synthetic), self.ledger.partitions).map_err(Failure::failed)?;
        Ok(Driver::new(Arc::clone(&self.ledger), self.runtime.handle().clone(), name, symbol, accounts))
    }

    fn settle(&self) -> Result<(), Failure> {
        Ok(self.runtime.block_on(self.ledger.settled(SETTLED_WITHIN))?)
    }

    /// Ends the workers and says the report, whatever came of it.
    fn end(self, report: Result<Said, Failure>, json: bool) -> Result<(), Failure> {
        drop(self.ledger);
        self.workers.stop_and_join();
        let said = report?;
        if json { print(said.json + "\n") } else { print(said.text(self.begun.elapsed())) }
    }
}

/// A report as one JSON value.
struct Said {
    json: String,
}

impl Said {
    fn new(report: &impl Serialize) -> Result<Said, Failure> {
        Ok(Said { json: serde_json::to_string(report).map_err(Failure::failed)? })
    }

    /// A line a field.
    fn text(&self, took: Duration) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.json).unwrap_or_default();
        let mut text = String::new();
        for (name, field) in value.as_object().into_iter().flatten() {
            text.push_str(&format!("{name:<12} {field}\n"));
        }
        text + &format!("{:<12} {:.1} s\n", "took", took.as_secs_f64())
    }
}

fn per_side(synthetic: &Synthetic) -> usize {
    usize::try_from(synthetic.users / 2).unwrap_or(usize::MAX)
}

/// An import's name: its feed and what the file holds, so that the same file is the same import.
fn name_of(feed: &str, parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    let digest = hasher.finalize();
    let hex: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("{feed}-{hex}")
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::failed(format!("{}: can't be read: {error}", path.display())))?;
    Ok(bytes)
}

fn in_file(path: &Path) -> impl Fn(ImportError) -> Failure + '_ {
    move |error| Failure::failed(format!("{}: {error}", path.display()))
}

/// Funds, asks all steps at full speed and waits until everything is settled.
fn feed(
    importing: &Importing,
    driver: &mut Driver,
    orders: &Orders,
    steps: &[Step],
    needs: &[crate::import::accounts::Need],
) -> Result<crate::import::step::Outcome, Failure> {
    let begin = steps.first().map_or(Timestamp::default(), |step| step.time);
    driver.fund(needs, begin)?;
    let mut bar = Bar::new(steps.len(), "steps");
    driver.take(orders, steps, |asked| bar.set(asked))?;
    bar.end();
    importing.settle()?;
    Ok(driver.outcome(orders)?)
}

fn run_lobster(args: &Lobster) -> Result<(), Failure> {
    let bytes = read_file(&args.file)?;
    let file_name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let midnight = lobster::message::midnight_of(&file_name).unwrap_or_default();
    let messages = lobster::message::read(bytes.as_slice(), midnight).map_err(in_file(&args.file))?;
    let per_side = per_side(&args.synthetic);
    let feed_name = format!("lobster-{}", args.symbol);
    if let Some(path) = &args.orderbook {
        let rows_bytes = read_file(path)?;
        let rows = lobster::rows::read(rows_bytes.as_slice()).map_err(in_file(path))?;
        let mut replay = lobster::Replay::new(&messages, &rows, args.symbol, per_side).map_err(in_file(&args.file))?;
        let importing = Importing::open(&args.common)?;
        let name = name_of(&feed_name, &[&bytes, &rows_bytes]);
        let said = replay_rows(&importing, &mut replay, args, &name);
        return importing.end(said, args.common.json);
    }
    let plan = lobster::Plan::new(&messages, args.symbol, per_side, args.whole_day).map_err(in_file(&args.file))?;
    let importing = Importing::open(&args.common)?;
    let name = name_of(&feed_name, &[&bytes, &[u8::from(args.whole_day)]]);
    let said = importing.driver(&name, args.symbol, &args.synthetic).and_then(|mut driver| {
        let outcome = feed(&importing, &mut driver, &plan.orders, &plan.steps, &plan.funding.needs())?;
        Said::new(&plan.report(&outcome))
    });
    importing.end(said, args.common.json)
}

/// Message by message: ask, wait for matching, compare the published book with the row, correct it.
fn replay_rows(
    importing: &Importing,
    replay: &mut lobster::Replay<'_>,
    args: &Lobster,
    name: &str,
) -> Result<Said, Failure> {
    let symbol = args.symbol;
    let board = &importing.ledger.board;
    let mut driver = importing.driver(name, symbol, &args.synthetic)?;
    importing.settle()?;
    if board.get(symbol).is_some_and(|book| !book.bids.is_empty() || !book.asks.is_empty()) {
        return Err(Failure::failed(format!(
            "the book of {symbol} is not empty, so it can't be compared with the file's rows; name a new directory with --data"
        )));
    }
    let problem = in_file(&args.file);
    driver.fund(&replay.funding().needs(), Timestamp::default())?;
    let seed = replay.seed().map_err(&problem)?;
    driver.take(replay.orders(), &seed, |_| {})?;
    driver.wait_for_matching()?;
    let mut bar = Bar::new(replay.len(), "messages");
    let mut done = 0;
    while let Some(steps) = replay.next_message().map_err(&problem)? {
        driver.take(replay.orders(), &steps, |_| {})?;
        driver.wait_for_matching()?;
        let trades = driver.new_trades(replay.orders())?;
        let (bids, asks) = match board.get(symbol) {
            Some(book) => (levels(&book.bids), levels(&book.asks)),
            None => (Vec::new(), Vec::new()),
        };
        let corrections = replay.compare(&bids, &asks, &trades).map_err(&problem)?;
        driver.take(replay.orders(), &corrections, |_| {})?;
        done += 1;
        bar.set(done);
    }
    bar.end();
    importing.settle()?;
    Said::new(&replay.report())
}

fn levels(levels: &[orderledger_projections::worker::board::LevelView]) -> Vec<lobster::rows::Level> {
    levels.iter().map(|level| (level.price, level.quantity)).collect()
}

fn run_bitstamp(args: &Bitstamp) -> Result<(), Failure> {
    let bytes = read_file(&args.file)?;
    let symbol = Symbol::new(bitstamp::SYMBOL).map_err(Failure::failed)?;
    let per_side = per_side(&args.synthetic);
    let plan = bitstamp::Plan::read(bytes.as_slice(), symbol, per_side).map_err(in_file(&args.file))?;
    let importing = Importing::open(&args.common)?;
    let name = name_of("bitstamp", &[&bytes]);
    let said = importing.driver(&name, symbol, &args.synthetic).and_then(|mut driver| {
        let outcome = feed(&importing, &mut driver, &plan.orders, &plan.steps, &plan.funding.needs())?;
        Said::new(&plan.report(&outcome))
    });
    importing.end(said, args.common.json)
}

fn run_events(args: &Events) -> Result<(), Failure> {
    let source = open_file(&args.file)?;
    let importing = Importing::open(&args.common)?;
    let said = append_events(&importing, source, &args.file).and_then(|report| {
        importing.settle()?;
        Said::new(&report)
    });
    importing.end(said, args.common.json)
}

/// The lines of a file, opened before anything is written for it.
fn open_file(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let opened = File::open(path);
    let opened = opened.map_err(|error| Failure::failed(format!("{}: can't be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn append_events(importing: &Importing, source: Box<dyn BufRead>, path: &Path) -> Result<events::Report, Failure> {
    let ledger = &importing.ledger;
    let (done, acknowledged) = channel();
    let appended = events::read(source, ledger.partitions, |records| {
        if records.is_empty() {
            return Ok(());
        }
        let done = done.clone();
        ledger.appender.append(records, Box::new(move |result| drop(done.send(result))))
    });
    let report = appended.map_err(in_file(path))??;
    drop(done);
    for acknowledgement in acknowledged {
        acknowledgement?;
    }
    Ok(report)
}
