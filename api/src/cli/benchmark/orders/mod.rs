//! `benchmark orders`: the whole way, over HTTP.

mod client;
mod costs;
mod hops;
mod load;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use orderledger_domain::event::EventType;
use orderledger_domain::position::Topic;
use serde_json::json;

use self::client::Connection;
use self::costs::{Held, Spent, Threads};
use self::hops::{CALLS, HOPS, Hops};
use self::load::{Load, Measured};
use self::server::Behind;
use crate::cli::benchmark::ground::{self, Ground};
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::figures::Counts;
use crate::latencies::{Latencies, grouped, millis, per_second, ratio};
use crate::ledger::open_log;

pub(super) const ABOUT: &str = "\
Limit orders over HTTP on keep-alive connections against a server that this command starts on a temporary directory, \
and ends.

An open loop: every order has its intended time, and its latency counts from that time, so a stall is charged to all \
that it delays. Of some orders a second the benchmark asks with `Prefer: wait` and then reads balances and market with \
the position of the answer: the time until both show it. --rate 0 is a closed loop that finds the highest rate.

Beside it, on the same disk before the load: a synced write of 4 KiB, the append -> read hop through a log of its own \
of the same kind, with as many records a second as there will be orders, one empty call. On the way to the views lie \
three hops (the order; intake's answer and the book's copy; matching's answers and the tape) and two calls; 'x' is how \
much longer it takes than their sum. Below: the processor time and wake-ups that an order costs the server, by the \
names of its threads (on Linux), and the records and bytes that it makes of the log, deposits included.

Sustained is what was accepted, divided by the time until every stage and view was at the log's end. With a --rate \
that must be within 2 s of the last answer (exit 1 if not), and the log must hold exactly as many accepted orders as \
the server said (exit 4 if not).";

/// How many kinds of threads are shown, those that spent most.
const THREADS_SHOWN: usize = 12;
const WARM_UP: Duration = Duration::from_secs(2);
/// A rate is sustained if all have caught up so soon after it.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(2);
/// How long catching up is watched.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    log: ground::Args,
    /// Orders a second; 0: as many as it takes.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    rate: u32,
    /// For how long, after a warm-up of two seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Connections that send; each has two more that read.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Accounts that place the orders.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// Orders a second of which is measured when they are visible.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

struct Run {
    hops: Hops,
    /// Orders accepted in the warm-up.
    warmed_up: u64,
    measured: Measured,
    behind: Behind,
    /// What the server's threads spent while it was measured, until all had caught up.
    threads: Vec<(String, Spent)>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    let mut ground = args.log.fresh(&data)?;
    let started = server::start(&scratch, &ground)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = runtime.block_on(measure(args, &scratch, &mut ground, started));
    // The connections end here, so that the server has nothing left to wait for.
    drop(runtime);
    let run = run?;
    if !scratch.end_children() {
        return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
    }
    let (_data, log) = open_log(&ground.settings, false)?;
    let accepted = Counts::of(&*log)?.of_type(EventType::OrderAccepted);
    let held = costs::held(&*log)?;
    if args.json {
        print_json(&to_json(args, &run, accepted, &held))?
    } else {
        print(text(args, &run) + &costs_text(&run, accepted, &held))?
    }
    let said = run.warmed_up.saturating_add(run.measured.accepted);
    if said != accepted {
        return Err(Failure::difference(format!(
            "the server accepted {said} orders, but its log holds {accepted} OrderAccepted; report it"
        )));
    }
    if args.rate > 0 && run.behind.caught_up.is_none_or(|took| took > CAUGHT_UP_WITHIN) {
        return Err(Failure::failed("some worker was not at the log's end 2 s after the load: lower the --rate"));
    }
    Ok(())
}

async fn measure(
    args: &Args,
    scratch: &Scratch,
    ground: &mut Ground,
    (address, pid): (SocketAddr, u32),
) -> Result<Run, Failure> {
    server::ready(scratch, address).await?;
    let hops = Hops {
        fsync: hops::fsync(scratch.path())?,
        hop: hops::hop(&*ground.bare(scratch.path())?, args.rate)?,
        call: hops::call(address).await?,
    };
    load::fund(address, args.users).await?;
    let Args { rate, connections, users, samples, .. } = *args;
    let warm_up = Load { rate, lasting: WARM_UP, connections, users, samples, first: 0 };
    let warmed_up = load::send(address, warm_up).await?;
    let lasting = Duration::from_secs(u64::from(args.seconds));
    let sent = warmed_up.accepted.saturating_add(warmed_up.failed);
    let before = Threads::of(pid);
    let measured = load::send(address, Load { lasting, first: sent, ..warm_up }).await?;
    let behind = server::catch_up(&mut Connection::open(address).await?, PATIENCE).await?;
    let threads = Threads::of(pid).since(&before);
    Ok(Run { hops, warmed_up: warmed_up.accepted, measured, behind, threads })
}

/// Accepted orders a second until everything had caught up.
fn sustained(run: &Run) -> u64 {
    let until = run.measured.took.saturating_add(run.behind.caught_up.unwrap_or(PATIENCE));
    per_second(run.measured.accepted, until)
}

fn text(args: &Args, run: &Run) -> String {
    let Run { hops, measured, behind, .. } = run;
    let load = if args.rate == 0 { "as many as it takes".to_owned() } else { format!("{}/s", grouped(args.rate)) };
    let late = match behind.caught_up {
        Some(took) => format!("all caught up {} ms after the last answer", took.as_millis()),
        None => format!("NOT caught up in {} s", PATIENCE.as_secs()),
    };
    let lags: Vec<String> = behind.at_first.iter().map(|(name, lag)| format!("{name} {}", grouped(lag))).collect();
    let lags = if lags.is_empty() { "none".to_owned() } else { lags.join(", ") };
    let mut text = format!(
        "{load} for {} s over {} connections: {} accepted, {} failed, {} samples not visible in time\n\
         sustained {}/s; records behind at the end: {lags}; {late}\n\n{:<42} {}\n",
        args.seconds,
        args.connections,
        grouped(measured.accepted),
        measured.failed,
        measured.unseen,
        grouped(sustained(run)),
        "from the intended send",
        Latencies::headings()
    );
    let (calls, commits) = (format!("  a call ({CALLS} on the way)"), format!("  append to read ({HOPS} on the way)"));
    for (name, latencies) in [
        ("  sent", &measured.late),
        ("  to intake's answer", &measured.answered),
        ("  to the book's decision", &measured.decided),
        ("  to visible in balances and market", &measured.visible),
        ("bare, nothing else running", &Latencies::default()),
        ("  write 4 KiB and fsync", &hops.fsync),
        (commits.as_str(), &hops.hop),
        (calls.as_str(), &hops.call),
    ] {
        let columns = if latencies.count() == 0 { String::new() } else { latencies.columns() };
        text.push_str(format!("{name:<42} {columns}").trim_end());
        text.push('\n');
    }
    let [p50, p99] = [500, 990].map(|per_mille| hops.sum(per_mille));
    let [x50, x99] = [(500, p50), (990, p99)].map(|(per_mille, sum)| ratio(measured.visible.micros(per_mille), sum));
    let columns = format!("{:>10} {:>10}", millis(p50), millis(p99));
    text.push_str(&format!(
        "{:<42} {columns}\n{:<42} {x50:>10} {x99:>10}\n",
        "  sum of the hops on the way", "visible, x the sum"
    ));
    text
}

/// Where the time goes: what an order costs the server's threads, and what it makes of the log.
fn costs_text(run: &Run, accepted: u64, held: &[(Topic, Held)]) -> String {
    let orders = run.measured.accepted;
    let mut text = format!("\n{:<42} {:>10} {:>10}\n", "of the server, an order", "CPU us", "wakes");
    let row = |name: &str, spent: Spent| {
        format!("  {name:<40} {:>10} {:>10}\n", per(spent.micros, orders), per(spent.wakes, orders))
    };
    let all = run.threads.iter().fold(Spent::default(), |sum, (_, spent)| Spent {
        micros: sum.micros.saturating_add(spent.micros),
        wakes: sum.wakes.saturating_add(spent.wakes),
    });
    for (name, spent) in run.threads.iter().take(THREADS_SHOWN) {
        text.push_str(&row(name, *spent));
    }
    text.push_str(&row("all threads", all));
    text.push_str(&format!("\n{:<42} {:>10} {:>10}\n", "of the log, an order", "records", "bytes"));
    for (topic, held) in held {
        let (records, bytes) = (per(held.records, accepted), per(held.bytes, accepted));
        text.push_str(&format!("  {:<40} {records:>10} {bytes:>10}\n", topic.name()));
    }
    text
}

/// With one decimal.
fn per(sum: u64, orders: u64) -> String {
    let tenths = sum.saturating_mul(10).checked_div(orders).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn to_json(args: &Args, run: &Run, accepted: u64, held: &[(Topic, Held)]) -> serde_json::Value {
    let Run { hops, measured, behind, warmed_up, threads } = run;
    let lags: std::collections::BTreeMap<_, _> = behind.at_first.iter().cloned().collect();
    let threads = threads.iter().map(|(name, spent)| {
        json!({ "thread": name, "microsPerOrder": per(spent.micros, measured.accepted), "wakes": spent.wakes })
    });
    let held =
        held.iter().map(|(topic, held)| json!({ "topic": topic.name(), "records": held.records, "bytes": held.bytes }));
    json!({
        "threads": threads.collect::<Vec<_>>(),
        "topics": held.collect::<Vec<_>>(),
        "rate": args.rate,
        "seconds": args.seconds,
        "connections": args.connections,
        "users": args.users,
        "accepted": measured.accepted,
        "failed": measured.failed,
        "unseen": measured.unseen,
        "warmUp": warmed_up,
        "acceptedInLog": accepted,
        "sustainedPerSecond": sustained(run),
        "behindAtEnd": lags,
        "caughtUpMs": behind.caught_up.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        "sent": measured.late.to_json(),
        "answered": measured.answered.to_json(),
        "decided": measured.decided.to_json(),
        "visible": measured.visible.to_json(),
        "bare": { "fsync": hops.fsync.to_json(), "hop": hops.hop.to_json(), "call": hops.call.to_json() },
        "sumOfHops": { "p50Us": hops.sum(500), "p99Us": hops.sum(990) },
    })
}
