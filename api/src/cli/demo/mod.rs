//! `demo`: a market day on the embedded log, end to end, and the proof that it adds up.

mod look_around;
mod shown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::progress::Bar;
use super::scratch::Scratch;
use super::{Failure, print, print_json, rebuild, serve, verify};
use crate::demo::feed::Feed;
use crate::demo::figures::{Counts, SymbolDay, balances_digest, proofs, symbol_days};
use crate::demo::market_day::{MarketDay, Plan};
use crate::latencies::{Latencies, per_second};
use crate::ledger::{self, Ledger, Opened, Rebuilt, Settings, Verified, open_log};

/// How many records go to the log at once, and how many batches may be unjudged.
const BATCH: usize = 64;
const BATCHES: u32 = 24;
/// How many of the last requests go one at a time, of a day that has many more.
const ALONE: usize = 200;
/// How long everything may take to be settled.
const SETTLED_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many orders are placed.
    #[arg(long, default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    orders: u32,
    /// How many accounts place them.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(6..=100_000))]
    users: u32,
    /// What the day follows from: the same seed gives the same day and the same balances.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A new data directory, which stays [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Serves HTTP at the end, until Ctrl-C. A temporary directory stays then.
    #[arg(long)]
    keep_serving: bool,
    /// The address to serve on, with --keep-serving.
    #[arg(long, env = "ORDERLEDGER_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// Where the day is kept.
enum Place {
    Stays(PathBuf),
    Goes(Scratch),
}

impl Place {
    fn of(args: &Args) -> Result<Place, Failure> {
        let Some(data) = &args.data else {
            if args.keep_serving {
                return Ok(Place::Stays(tempfile::Builder::new().prefix("orderledger-demo-").tempdir()?.keep()));
            }
            return Scratch::new().map(Place::Goes);
        };
        if data.join("log.redb").exists() {
            let what = "has a log already; name a new directory with --data, or none for a temporary one";
            return Err(Failure::refused(format!("{} {what}", data.display())));
        }
        Ok(Place::Stays(data.clone()))
    }

    fn path(&self) -> &Path {
        match self {
            Place::Stays(path) => path,
            Place::Goes(scratch) => scratch.path(),
        }
    }
}

/// What the day came to while its workers ran.
pub(super) struct Outcome {
    day: MarketDay,
    counts: Counts,
    /// Orders placed at full speed, and how long until all was settled.
    orders_at_speed: u64,
    settled_in: Duration,
    at_speed: Latencies,
    alone: Latencies,
    symbols: Vec<SymbolDay>,
    proofs: std::collections::BTreeMap<orderledger_domain::ids::Asset, crate::demo::figures::Proof>,
    balances_digest: String,
}

impl Outcome {
    fn orders_per_second(&self) -> u64 {
        per_second(self.orders_at_speed, self.settled_in)
    }
}

/// What the views came to when they were made again.
pub(super) struct Proven {
    rebuilt: Vec<Rebuilt>,
    verified: Verified,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = args.keep_serving.then(|| listen(&runtime, args.listen)).transpose()?;
    let place = Place::of(args)?;
    let settings = Settings::new(place.path());
    let outcome = play(args, &settings, &runtime)?;
    if !args.json {
        print(shown::outcome(&outcome, args.seed, place.path()))?;
    }
    let proven = prove(&settings)?;
    if args.json {
        print_json(&to_json(args, &place, &outcome, &proven))?;
    } else {
        print(shown::proven(&proven))?;
    }
    check(&outcome, &proven)?;
    if !args.json {
        let kept = matches!(place, Place::Stays(_)).then(|| place.path());
        print(look_around::text(&outcome.day, kept, args.keep_serving.then_some(args.listen)))?;
    }
    match listener {
        Some(listener) => serve::until_signaled(&settings, runtime, listener),
        None => Ok(()),
    }
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener, Failure> {
    serve::check_address(address)?;
    serve::listen(runtime, address)
}

/// Runs the day through the ledger.
fn play(args: &Args, settings: &Settings, runtime: &Runtime) -> Result<Outcome, Failure> {
    let Opened { ledger, workers } = Opened::open(settings)?;
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let plan = Plan { orders: size(args.orders), users: size(args.users), seed: args.seed };
    let day = MarketDay::new(plan, ledger.partitions).map_err(Failure::failed)?;
    let outcome = follow(day, &ledger, runtime);
    drop(ledger);
    workers.stop_and_join();
    outcome
}

fn follow(day: MarketDay, ledger: &Arc<Ledger>, runtime: &Runtime) -> Result<Outcome, Failure> {
    let feed = Feed::new(ledger, runtime.handle(), BATCH, BATCHES);
    let settle = || runtime.block_on(ledger.settled(SETTLED_WITHIN));
    feed.send(day.opening(), |_| ())?;
    settle()?;
    let alone = if day.session_records() > 10 * ALONE { ALONE } else { 0 };
    let at_speed = day.session_records().saturating_sub(alone);
    let mut bar = Bar::new(at_speed, "requests");
    let begun = Instant::now();
    let judged_at_speed = feed.send(day.session().take(at_speed), |sent| bar.set(sent))?;
    settle()?;
    let settled_in = begun.elapsed();
    bar.end();
    let one_at_a_time = Feed::new(ledger, runtime.handle(), 1, 1);
    let judged_alone = one_at_a_time.send(day.session().skip(at_speed), |_| ())?;
    settle()?;
    feed.send(day.closing(), |_| ())?;
    settle()?;
    let balances = ledger.settlement.moment()?.reader;
    Ok(Outcome {
        counts: Counts::of(&*ledger.log)?,
        orders_at_speed: day.orders_within(at_speed),
        settled_in,
        at_speed: judged_at_speed,
        alone: judged_alone,
        symbols: symbol_days(ledger)?,
        proofs: proofs(&balances)?,
        balances_digest: balances_digest(&balances)?,
        day,
    })
}

/// Makes every view again from offset zero, and recomputes everything by other code.
fn prove(settings: &Settings) -> Result<Proven, Failure> {
    let (data, log) = open_log(settings, false)?;
    let mut bar = Bar::new(0, "records");
    let rebuilt = ledger::rebuild(&data, &*log, &settings.key, "all", None, settings.memory_limit, &mut |passed| {
        bar.set_passed(passed)
    })?;
    bar.end();
    bar = Bar::new(0, "records");
    let verified = ledger::verify(&data, &*log, &settings.key, &mut |passed| bar.set_passed(passed))?;
    bar.end();
    Ok(Proven { rebuilt, verified })
}

fn check(outcome: &Outcome, proven: &Proven) -> Result<(), Failure> {
    let differs = |what: &str| Err(Failure::difference(format!("{what}; keep the data directory and report it")));
    if !outcome.proofs.values().all(crate::demo::figures::Proof::holds) {
        return differs("the balances don't sum to zero");
    }
    if !proven.rebuilt.iter().all(Rebuilt::is_equal) {
        return differs("a rebuilt view differs from the live one");
    }
    if !proven.verified.report.is_equal() {
        return differs("verification found a difference");
    }
    Ok(())
}

fn to_json(args: &Args, place: &Place, outcome: &Outcome, proven: &Proven) -> serde_json::Value {
    json!({
        "seed": args.seed,
        "users": outcome.day.users().len(),
        "data": matches!(place, Place::Stays(_)).then(|| place.path()),
        "orders": outcome.day.orders(),
        "trades": outcome.counts.trades,
        "records": outcome.counts.records,
        "ordersPerSecond": outcome.orders_per_second(),
        "judged": { "atSpeed": outcome.at_speed.to_json(), "alone": outcome.alone.to_json() },
        "outcomes": shown::outcomes_json(&outcome.counts),
        "symbols": outcome.symbols.iter().map(shown::symbol_json).collect::<Vec<_>>(),
        "proof": outcome.proofs.iter().map(|(asset, proof)| shown::proof_json(*asset, proof)).collect::<Vec<_>>(),
        "balancesSha256": outcome.balances_digest,
        "rebuild": proven.rebuilt.iter().map(rebuild::row).collect::<Vec<_>>(),
        "verify": verify::row(&proven.verified),
    })
}
