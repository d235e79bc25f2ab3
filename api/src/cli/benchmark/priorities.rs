//! `benchmark priorities`: what the critical path feels of everything that may lag.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use orderledger_store::Urgency;
use serde_json::{Value, json};

use super::client::Connection;
use super::ground;
use super::load::{self, Load, Measured};
use super::orders::{self, Busy, Strain};
use super::rebuild::{self, Views};
use super::{median, server};
use crate::cli::scratch::Scratch;
use crate::cli::serve::allow_realtime;
use crate::cli::{Failure, print, print_json};
use crate::latencies::{Latencies, grouped, millis, ratio};

pub(super) const ABOUT: &str = "\
Limit orders over HTTP, as in `benchmark orders`, in pairs on one server's data: first with nothing else to do, then while \
audit, analytics and notifications fold the whole day again and all views are rebuilt meanwhile, one rebuild after another; \
or, with --faults, while a webhook never answers, days are exported and an inbox is read.

The log is a market day run through the real stages once. Before every second half of a pair the views of these three are \
put back to the day's opening, so the server that is started then has the whole day to fold again, live. How far they are \
behind when its half ends says whether they were at it all the time. Shown are the latencies of every half, and the ratio of \
the second to the first: of all pairs the median counts.";

/// The groups that may lag, whose views are put back.
const LAGGING: [&str; 3] = ["audit", "analytics", "notifications"];
const WARM_UP: Duration = Duration::from_secs(2);
/// How long everything may take to be at the log's end before a first half.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    log: ground::Args,
    /// Orders a second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how long in each half, after a warm-up of two seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Pairs.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pairs: u32,
    /// About how many records the log has before.
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    records: u32,
    /// Connections that send; each has two more that read.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Accounts that place the orders.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// Orders a second of which is measured when they are visible.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// In the second half nothing is behind or rebuilt: a webhook takes every call and never answers, the day's trades, orders and postings are exported
    /// again and again, and an inbox is read ten times a second.
    #[arg(long)]
    faults: bool,
    /// With real-time threads, those of the load included: it comes from elsewhere, where nothing is rebuilt.
    #[arg(long)]
    realtime: bool,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// One half of a pair.
struct Half {
    measured: Measured,
    /// Records that the lagging groups were behind when it ended.
    behind: u64,
    /// Rebuilds of all views that came to their end meanwhile.
    rebuilds: u64,
    /// What a hanging webhook, exports and an inbox came to.
    strain: Strain,
}

/// What is measured of an order.
type Pick = fn(&Measured) -> &Latencies;
const MEASURES: [(&str, &str, Pick); 3] = [
    ("to intake's answer", "answered", |measured| &measured.answered),
    ("to the book's decision", "decided", |measured| &measured.decided),
    ("to visible in balances and market", "visible", |measured| &measured.visible),
];

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let ground = args.log.fresh(&scratch.path().join("data"))?;
    rebuild::generate(args.records, None, &ground.settings, Views::OfTheOpening)?;
    let (views, opening) = (ground.settings.data.join("views"), scratch.path().join("opening"));
    copy_dir(&views, &opening)?;
    if args.realtime {
        allow_realtime()?;
    }
    let mut urgency = Urgency::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut pairs, mut sent, mut failed) = (Vec::new(), 0, 0);
    for _ in 0..args.pairs {
        let mut halves = Vec::new();
        for is_busy in [false, true] {
            if is_busy && !args.faults {
                for name in LAGGING {
                    std::fs::remove_dir_all(views.join(name))?;
                    copy_dir(&opening.join(name), &views.join(name))?;
                }
            }
            let (mut options, environment) = ground.for_a_server();
            options.push("--webhooks-allow-private".to_owned());
            options.extend(args.realtime.then(|| "--realtime".to_owned()));
            let (address, _) = server::start_on(&scratch, &ground.settings.data, &options, environment)?;
            // Not before: the server begins as the thread that starts it is.
            urgency.be(true);
            let half = runtime.block_on(measure(args, &scratch, address, is_busy, &mut sent));
            urgency.be(false);
            let half = half?;
            if !scratch.end_children() {
                return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
            }
            failed += half.measured.failed + half.measured.unseen;
            halves.push(half);
        }
        pairs.push(halves);
    }
    if args.json {
        print_json(&to_json(args, &pairs))?
    } else {
        print(text(args, &pairs))?
    }
    if failed > 0 {
        return Err(Failure::failed(format!("{failed} orders failed or were not visible in time; lower the --rate")));
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

async fn measure(
    args: &Args,
    scratch: &Scratch,
    address: SocketAddr,
    is_busy: bool,
    sent: &mut u64,
) -> Result<Half, Failure> {
    server::ready(scratch, address).await?;
    if !is_busy && server::catch_up(&mut Connection::open(address).await?, PATIENCE).await?.caught_up.is_none() {
        return Err(Failure::failed("the workers did not reach the log's end; see the server's messages above"));
    }
    if *sent == 0 {
        load::fund(address, args.users).await?;
    }
    let Args { rate, connections, users, samples, .. } = *args;
    let warm_up = Load { rate, lasting: WARM_UP, connections, users, samples, first: *sent, at_most: u64::MAX };
    let warmed_up = load::send(address, warm_up).await?;
    *sent += warmed_up.accepted + warmed_up.failed;
    let lasting = Duration::from_secs(u64::from(args.seconds));
    let load = Load { lasting, first: *sent, ..warm_up };
    let send = async {
        let measured = load::send(address, load).await?;
        let behind = server::behind(&mut Connection::open(address).await?).await?;
        Ok((measured, behind))
    };
    let busy = match (is_busy, args.faults) {
        (false, _) => Busy::Reads,
        (true, false) => Busy::Rebuilds,
        (true, true) => Busy::Strained,
    };
    let ((measured, behind), beside) = orders::beside(address, busy, send).await?;
    *sent += measured.accepted + measured.failed;
    let behind = behind.iter().filter(|(name, _)| LAGGING.contains(&name.as_str())).map(|(_, lag)| lag).sum();
    Ok(Half { measured, behind, rebuilds: beside.rebuilds, strain: beside.strain })
}

/// The ratio of every pair, in thousandths, sorted, and the middle one.
fn ratios(pairs: &[Vec<Half>], pick: Pick, per_mille: u32) -> (Vec<u64>, u64) {
    let of = |half: &Half| pick(&half.measured).micros(per_mille);
    let ratio = |halves: &Vec<Half>| match halves.as_slice() {
        [alone, busy] => of(busy).saturating_mul(1000).checked_div(of(alone)).unwrap_or(0),
        _ => 0,
    };
    let mut all: Vec<u64> = pairs.iter().map(ratio).collect();
    let middle = median(&mut all);
    (all, middle)
}

fn text(args: &Args, pairs: &[Vec<Half>]) -> String {
    let mut text = format!(
        "{}/s for {} s a half, {} pairs; p50 and p99 in ms\n\n{:<36}{:>20}{:>20}{:>16}{:>10}{:>16}{:>13}\n",
        grouped(args.rate),
        args.seconds,
        args.pairs,
        "",
        "alone",
        "beside all",
        "behind at end",
        "rebuilds",
        "MiB exported",
        "undelivered"
    );
    for (number, halves) in (1..).zip(pairs) {
        let [alone, busy] = halves.as_slice() else { continue };
        text.push_str(&format!(
            "pair {number:<31}{:>56}{:>10}{:>16}{:>13}\n",
            grouped(busy.behind),
            busy.rebuilds,
            grouped(busy.strain.exported >> 20),
            grouped(busy.strain.waiting)
        ));
        for (name, _, pick) in MEASURES {
            let cell = |half: &Half| {
                let latencies = pick(&half.measured);
                format!("{} {:>9}", millis(latencies.micros(500)), millis(latencies.micros(990)))
            };
            text.push_str(&format!("  {name:<34}{:>20}{:>20}\n", cell(alone), cell(busy)));
        }
    }
    text.push_str(&format!("\n{:<36}{:>20}{:>20}\n", "beside all, x alone, the median", "p50", "p99"));
    for (name, _, pick) in MEASURES {
        let [p50, p99] = [500, 990].map(|per_mille| ratio(ratios(pairs, pick, per_mille).1, 1000));
        text.push_str(&format!("  {name:<34}{p50:>20}{p99:>20}\n"));
    }
    text
}

fn to_json(args: &Args, pairs: &[Vec<Half>]) -> Value {
    let half = |half: &Half| {
        let mut row = json!({
            "accepted": half.measured.accepted,
            "failed": half.measured.failed,
            "unseen": half.measured.unseen,
            "behind": half.behind,
            "rebuilds": half.rebuilds,
            "exported": half.strain.exported,
            "waitingForWebhook": half.strain.waiting,
        });
        for (_, name, pick) in MEASURES {
            if let Some(row) = row.as_object_mut() {
                row.insert(name.to_owned(), pick(&half.measured).to_json());
            }
        }
        row
    };
    let ratios: Vec<Value> = MEASURES
        .into_iter()
        .map(|(_, name, pick)| {
            let (all, middle) = ratios(pairs, pick, 990);
            json!({ "of": name, "p99PerMille": all, "medianPerMille": middle })
        })
        .collect();
    json!({
        "rate": args.rate,
        "seconds": args.seconds,
        "pairs": pairs.iter().map(|halves| halves.iter().map(half).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "ratios": ratios,
    })
}
