//! `benchmark orders`: the whole way, over HTTP.

mod beside;
mod costs;
mod hops;
mod strain;
mod watchers;

use std::net::SocketAddr;
use std::time::Duration;

use orderledger_domain::event::EventType;
use orderledger_domain::position::Topic;
use serde_json::json;

use self::beside::Beside;
pub(super) use self::beside::{Busy, beside};
use self::costs::{Held, Spent, Threads};
use self::hops::{CALLS, HOPS, Hops};
pub(super) use self::strain::Strain;
use self::watchers::{Watched, Watching};
use crate::cli::benchmark::client::Connection;
use crate::cli::benchmark::ground::{self, Ground};
use crate::cli::benchmark::load::{self, Load, Measured};
use crate::cli::benchmark::server::{self, Behind};
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

With --rebuild the load is sent a second time while all views are rebuilt, one rebuild after another, and shown below the \
first. With --subscribers it is sent once more while streams are open.

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
    /// Sends the same load once more while all views are rebuilt.
    #[arg(long)]
    rebuild: bool,
    /// Sends the same load once more while so many readers listen to streams, each to an account of its own.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=3000))]
    subscribers: u32,
    /// With --subscribers: messages a second for all of them together.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    messages: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

struct Run {
    hops: Hops,
    /// Orders accepted in the warm-up.
    warmed_up: u64,
    measured: Measured,
    beside: Beside,
    /// The same load while views were rebuilt, if asked for.
    rebuilt: Option<(Measured, Beside)>,
    /// The same load while streams were open, if asked for.
    watched: Option<(Measured, Watched)>,
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
        print(text(args, &run) + &watched_text(args, &run) + &costs_text(&run, accepted, &held))?
    }
    let rebuilt = run.rebuilt.as_ref().map_or(0, |(measured, _)| measured.accepted);
    let watched = run.watched.as_ref().map_or(0, |(measured, _)| measured.accepted);
    let said = run.warmed_up.saturating_add(run.measured.accepted).saturating_add(rebuilt).saturating_add(watched);
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
    let warm_up = Load { rate, lasting: WARM_UP, connections, users, samples, first: 0, at_most: u64::MAX };
    let warmed_up = load::send(address, warm_up).await?;
    let lasting = Duration::from_secs(u64::from(args.seconds));
    let sent = warmed_up.accepted.saturating_add(warmed_up.failed);
    let before = Threads::of(pid);
    let first = Load { lasting, first: sent, ..warm_up };
    let (measured, read) = beside(address, Busy::Reads, load::send(address, first)).await?;
    let behind = server::catch_up(&mut Connection::open(address).await?, PATIENCE).await?;
    let threads = Threads::of(pid).since(&before);
    let again = Load { first: sent.saturating_add(measured.accepted).saturating_add(measured.failed), ..first };
    let rebuilt = match args.rebuild {
        true => Some(beside(address, Busy::Rebuilds, load::send(address, again)).await?),
        false => None,
    };
    let passed = |measured: &Measured| measured.accepted.saturating_add(measured.failed);
    let again = Load { first: again.first.saturating_add(rebuilt.as_ref().map_or(0, |(all, _)| passed(all))), ..again };
    let watching = Watching { subscribers: args.subscribers, messages: args.messages };
    let watched = match args.subscribers {
        0 => None,
        _ => Some(watchers::beside(address, watching, load::send(address, again)).await?),
    };
    Ok(Run { hops, warmed_up: warmed_up.accepted, measured, beside: read, rebuilt, watched, behind, threads })
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
    let none = Latencies::default();
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
    let mut rows = vec![
        ("  sent", &measured.late),
        ("  to intake's answer", &measured.answered),
        ("  to the book's decision", &measured.decided),
        ("  to visible in balances and market", &measured.visible),
        ("a read beside it", &run.beside.reads),
    ];
    let while_rebuilt = run.rebuilt.as_ref().map(|(measured, beside)| {
        let Beside { rebuilds, failed_reads, .. } = beside;
        (format!("while rebuilt ({rebuilds} times, {failed_reads} reads failed)"), measured, beside)
    });
    if let Some((title, measured, beside)) = &while_rebuilt {
        rows.extend([
            (title.as_str(), &none),
            ("  to intake's answer", &measured.answered),
            ("  to the book's decision", &measured.decided),
            ("  to visible in balances and market", &measured.visible),
            ("  a read beside it", &beside.reads),
        ]);
    }
    rows.extend([
        ("bare, nothing else running", &none),
        ("  write 4 KiB and fsync", &hops.fsync),
        (commits.as_str(), &hops.hop),
        (calls.as_str(), &hops.call),
    ]);
    for (name, latencies) in rows {
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

/// The same load while streams were open.
fn watched_text(args: &Args, run: &Run) -> String {
    let Some((watched, told)) = &run.watched else { return String::new() };
    let Watched { sent, heard, dropped } = told;
    let mut text = format!(
        "\nwith {} streams open, {}/s messages for all of them: {heard} of {sent} told, {dropped} cut\n",
        grouped(args.subscribers),
        args.messages
    );
    for (name, now, before) in [
        ("  to intake's answer", &watched.answered, &run.measured.answered),
        ("  to the book's decision", &watched.decided, &run.measured.decided),
        ("  to visible in balances and market", &watched.visible, &run.measured.visible),
    ] {
        let x = ratio(now.micros(990), before.micros(990));
        text.push_str(&format!("{name:<42} {}   p99 x {x}\n", now.columns().trim_end()));
    }
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
    let Run { hops, measured, behind, warmed_up, threads, rebuilt, .. } = run;
    let beside = |beside: &Beside| json!({ "reads": beside.reads.to_json(), "failedReads": beside.failed_reads, "rebuilds": beside.rebuilds });
    let rebuilt = rebuilt.as_ref().map(|(measured, read)| {
        json!({
            "accepted": measured.accepted,
            "failed": measured.failed,
            "answered": measured.answered.to_json(),
            "decided": measured.decided.to_json(),
            "visible": measured.visible.to_json(),
            "beside": beside(read),
        })
    });
    let watched = run.watched.as_ref().map(|(measured, told)| {
        json!({
            "accepted": measured.accepted,
            "failed": measured.failed,
            "answered": measured.answered.to_json(),
            "decided": measured.decided.to_json(),
            "visible": measured.visible.to_json(),
            "subscribers": args.subscribers,
            "sent": told.sent,
            "told": told.heard,
            "dropped": told.dropped,
        })
    });
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
        "beside": beside(&run.beside),
        "whileRebuilt": rebuilt,
        "whileWatched": watched,
        "bare": { "fsync": hops.fsync.to_json(), "hop": hops.hop.to_json(), "call": hops.call.to_json() },
        "sumOfHops": { "p50Us": hops.sum(500), "p99Us": hops.sum(990) },
    })
}
