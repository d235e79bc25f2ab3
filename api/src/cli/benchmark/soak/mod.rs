//! `benchmark soak`: the demo's flow for hours, and whether anything grows that should not.

mod calls;
mod flow;
mod samples;
mod trend;

use std::iter::once;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use orderledger_domain::event::{Event, EventType, SessionClose};
use serde_json::json;
use tokio::time::Instant;

use self::flow::{Counted, Window};
use self::samples::Sample;
use super::client::Connection;
use super::ground;
use super::server::{self, Behind};
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json, progress::Bar, verify};
use crate::demo::figures::Counts;
use crate::demo::market_day::{MarketDay, Plan, SYMBOLS};
use crate::latencies::grouped;
use crate::ledger::{self, Verified, open_log};

pub(super) const ABOUT: &str = "\
The demo's market day over HTTP against a server that this command starts, at --rate calls a second for --seconds, with \
reads of balances and markets beside it; orders, cancels, amends, withdrawals, refusals, repeats, and a close of all \
sessions every ten minutes. First every account gets what it needs, as fast as the server takes it.

Every --every seconds the server is looked at from outside: records in its log, resident memory, open files, threads, \
bytes of the data directory (the log with the embedded one) for each record, rows of views and orders that rest (memory \
grows with both), the longest lag of a critical group and of the others, p99 of the calls' answers from their intended \
send and of the reads', answers of 5xx. Below the table: each figure's median in the first third of the time and in the \
last, and 'x', their quotient.

At the end everything must catch up within a minute, the server must end in order, the log must hold as many accepted \
orders as the server said, and `verify` must find no difference (exit 4 if not). Answers of 5xx end with 1.";

/// How often all sessions close.
const CLOSE_EVERY: Duration = Duration::from_secs(600);
/// How long catching up may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many lines has the table at most.
const LINES: usize = 24;
/// Calls that one order of the day makes, in hundredths: some are canceled, amended, repeated.
const CALLS_AN_ORDER: u64 = 139;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    log: ground::Args,
    /// For how long.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    seconds: u32,
    /// Calls a second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Accounts. What the flow is made from stays in this command's memory: about 300 bytes a call.
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u32).range(6..=1_000_000))]
    users: u32,
    /// Reads a second beside the calls.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    reads: u32,
    /// Seconds between two looks at the server.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    every: u32,
    /// What the day follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

struct Run {
    samples: Vec<Sample>,
    /// Orders accepted in all.
    accepted: u64,
    failed: u64,
    behind: Behind,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    let ground = args.log.fresh(&data)?;
    let plan = Plan { orders: orders(args), users: usize::try_from(args.users).unwrap_or(usize::MAX), seed: args.seed };
    let day = MarketDay::new(plan, ledger::PARTITIONS).map_err(Failure::failed)?;
    let started = server::start(&scratch, &ground)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = runtime.block_on(soak(args, &scratch, &data, day, started));
    // The connections end here, so that the server has nothing left to wait for.
    drop(runtime);
    let run = run?;
    if !scratch.end_children() {
        return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
    }
    let (opened, log) = open_log(&ground.settings, false)?;
    let accepted = Counts::of(&*log)?.of_type(EventType::OrderAccepted);
    let mut bar = Bar::new(0, "records");
    let verified = ledger::verify(&opened, &*log, &ground.settings.key, &mut |passed| bar.set_passed(passed))?;
    bar.end();
    if args.json {
        print_json(&to_json(&run, accepted, &verified))?
    } else {
        print(text(&run, accepted, &verified))?
    }
    if run.accepted != accepted {
        let what = format!("the server accepted {} orders, the log holds {accepted}", run.accepted);
        return Err(Failure::difference(what));
    }
    if !verified.report.is_equal() {
        return Err(Failure::difference(
            "verification found a difference; run it again with the same --seed and report it",
        ));
    }
    if run.failed > 0 {
        return Err(Failure::failed(format!("{} calls were answered with 5xx; see the messages above", run.failed)));
    }
    match run.behind.caught_up {
        Some(_) => Ok(()),
        None => Err(Failure::failed("a minute after the last call some worker was still behind")),
    }
}

/// As many as the calls of the whole time need.
fn orders(args: &Args) -> usize {
    let calls = u64::from(args.rate).saturating_mul(u64::from(args.seconds));
    let orders = calls.saturating_mul(100).checked_div(CALLS_AN_ORDER).unwrap_or(0).max(100);
    usize::try_from(orders).unwrap_or(usize::MAX)
}

async fn soak(
    args: &Args,
    scratch: &Scratch,
    data: &Path,
    day: MarketDay,
    (address, process): (SocketAddr, u32),
) -> Result<Run, Failure> {
    server::ready(scratch, address).await?;
    let counted = Counted::default();
    flow::send(address, "opening", day.needed(), 0, &counted).await?;
    server::catch_up(&mut Connection::open(address).await?, PATIENCE).await?;
    let opening = counted.take();
    let closes = usize::try_from(u64::from(args.rate).saturating_mul(CLOSE_EVERY.as_secs())).unwrap_or(usize::MAX);
    let close = || (None, Event::SessionCloseRequested(SessionClose { symbols: None }));
    let asked = (1_usize..)
        .zip(day.asked())
        .flat_map(move |(number, asked)| once(asked).chain(number.is_multiple_of(closes).then(close)));
    let begun = Instant::now();
    let symbols = SYMBOLS.map(|(name, _)| name);
    let mut samples = Vec::new();
    {
        let reading = flow::read(address, day.users(), &symbols, args.reads, &counted);
        let looking = look(args, (address, process), data, begun, &counted, &mut samples);
        tokio::select! {
            sent = flow::send(address, "session", asked, args.rate, &counted) => sent?,
            ended = reading => return Err(ended.err().unwrap_or_else(|| Failure::failed("the reads ended"))),
            ended = looking => return Err(ended),
        }
    }
    let behind = server::catch_up(&mut Connection::open(address).await?, PATIENCE).await?;
    samples.push(samples::look(address, process, data, begun.elapsed(), &counted).await?);
    let sum = |of: fn(&Window) -> u64| {
        samples.iter().map(|sample| of(&sample.window)).fold(of(&opening), u64::saturating_add)
    };
    Ok(Run { accepted: sum(|window| window.accepted), failed: sum(|window| window.failed), samples, behind })
}

/// Looks at the server again and again; what ends it.
async fn look(
    args: &Args,
    (address, process): (SocketAddr, u32),
    data: &Path,
    begun: Instant,
    counted: &Counted,
    samples: &mut Vec<Sample>,
) -> Failure {
    let every = Duration::from_secs(u64::from(args.every));
    let mut due = tokio::time::interval_at(begun + every, every);
    loop {
        due.tick().await;
        match samples::look(address, process, data, begun.elapsed(), counted).await {
            Ok(sample) => samples.push(sample),
            Err(failure) => return failure,
        }
    }
}

fn text(run: &Run, accepted: u64, verified: &Verified) -> String {
    let mut text = samples::HEADINGS.to_owned();
    // At most so many lines; what is between counts in the trends.
    let step = run.samples.len().div_ceil(LINES).max(1);
    let mut before = None;
    for chunk in run.samples.chunks(step) {
        if let Some(sample) = chunk.last() {
            let merged = chunk.iter().fold(Window::default(), |all, sample| all.with(&sample.window));
            let sample = Sample { window: merged, ..sample.clone() };
            text.push_str(&sample.line(before.as_ref()));
            before = Some(sample);
        }
    }
    text.push_str(&format!("\n{}", trend::HEADINGS));
    trend::of(&run.samples).iter().for_each(|trend| text.push_str(&trend.line()));
    let caught_up = run.behind.caught_up.map_or("no".to_owned(), |took| format!("in {} ms", took.as_millis()));
    text.push_str(&format!(
        "\ncaught up {caught_up}; {} orders accepted, {} in the log; {} answers of 5xx\n{}",
        grouped(run.accepted),
        grouped(accepted),
        run.failed,
        verify::table(verified)
    ));
    text
}

fn to_json(run: &Run, accepted: u64, verified: &Verified) -> serde_json::Value {
    json!({
        "samples": run.samples.iter().map(Sample::to_json).collect::<Vec<_>>(),
        "trends": trend::of(&run.samples).into_iter().map(trend::Trend::to_json).collect::<Vec<_>>(),
        "caughtUpMs": run.behind.caught_up.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        "accepted": run.accepted,
        "acceptedInLog": accepted,
        "failed": run.failed,
        "verify": verify::row(verified),
    })
}
