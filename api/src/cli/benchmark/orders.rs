//! `benchmark orders`.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::bare;
use super::client::Client;
use super::load::{Load, Outcome, fund, run as run_load};
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::latencies::{Latencies, grouped, millis, per_second, ratio};

/// How many hops an order passes until it is visible: placed, accepted, matched.
const HOPS: u64 = 3;
/// How long the server may take to be ready, and the views to catch up.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Orders a second; 0: as fast as they are answered.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    rate: u64,
    /// How long.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How many accounts order.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(2..=100_000))]
    users: u64,
    /// How many connections are kept alive.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1024))]
    connections: u64,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// The server that is measured; it ends with this.
struct Server {
    child: Child,
}

impl Server {
    fn start(data: &Path, address: SocketAddr) -> Result<Server, Failure> {
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", "--log", "embedded", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Server { child })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already if either fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that was measured.
struct Measured {
    fsync: Latencies,
    hop: Latencies,
    outcome: Outcome,
    caught_up: Duration,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let (fsync, hop) = (bare::fsync(scratch.path())?, bare::hop(scratch.path())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::start(&scratch.path().join("data"), address)?;
    let load = Load {
        to: address,
        users: args.users,
        rate: args.rate,
        seconds: args.seconds,
        connections: args.connections,
        sampled: 50,
    };
    let measured = measure(&runtime, load, fsync, hop);
    drop(server);
    let measured = measured?;
    if args.json { print_json(&to_json(args, &measured)) } else { print(table(args, &measured)) }
}

fn measure(runtime: &Runtime, load: Load, fsync: Latencies, hop: Latencies) -> Result<Measured, Failure> {
    runtime.block_on(async {
        until(load.to, |answer: &Value| answer.get("status").is_some_and(|status| status == "ready"), "/readyz")
            .await?;
        fund(load).await?;
        let outcome = run_load(load).await?;
        let begun = Instant::now();
        until(load.to, has_caught_up, "/v1/projections").await?;
        Ok(Measured { fsync, hop, outcome, caught_up: begun.elapsed() })
    })
}

/// Asks again until the answer is as it should be.
async fn until(to: SocketAddr, is_right: impl Fn(&Value) -> bool, path: &str) -> Result<(), Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(mut client) = Client::connect(to).await
            && let Ok(answer) = client.get(path).await
            && is_right(&answer.json())
        {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Failure::failed(format!("the server is not where it should be at {path}, after 30 s")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn has_caught_up(answer: &Value) -> bool {
    let rows = ["data", "stages"].into_iter().filter_map(|list| answer.get(list)?.as_array());
    let mut lags = rows.flatten().map(|row| row.get("lagRecords").and_then(Value::as_u64));
    lags.all(|lag| lag == Some(0))
}

fn table(args: &Args, measured: &Measured) -> String {
    let Measured { fsync, hop, outcome, caught_up } = measured;
    let rate = per_second(outcome.orders, outcome.took);
    let asked = if args.rate == 0 { "closed loop".to_owned() } else { format!("{} orders/s", grouped(args.rate)) };
    let mut text = format!(
        "{asked}, {} s, {} connections, {} accounts\n{} orders sent, {} answered otherwise than 202, {} orders/s; \
         every stage and view at the log's end {} ms after the last answer\n\n{:<34} {}\n",
        args.seconds,
        args.connections,
        args.users,
        grouped(outcome.orders),
        outcome.failed,
        grouped(rate),
        caught_up.as_millis(),
        "",
        Latencies::headings()
    );
    for (name, latencies) in [
        ("bare: 4 KiB and fsync", fsync),
        ("bare: one record appended and read", hop),
        ("intended send to answer", &outcome.answered),
        ("intended send to visible", &outcome.visible),
    ] {
        if latencies.count() > 0 {
            text.push_str(&format!("{name:<34} {}\n", latencies.columns()));
        }
    }
    if outcome.visible.count() > 0 {
        let hops = hop.micros(990).saturating_mul(HOPS);
        text.push_str(&format!(
            "\nvisible p99 / p99 of the {HOPS} hops on the way ({} ms): {}\n",
            millis(hops),
            ratio(outcome.visible.micros(990), hops)
        ));
    }
    text
}

fn to_json(args: &Args, measured: &Measured) -> Value {
    let Measured { fsync, hop, outcome, caught_up } = measured;
    json!({
        "rate": args.rate,
        "seconds": args.seconds,
        "connections": args.connections,
        "users": args.users,
        "orders": outcome.orders,
        "failed": outcome.failed,
        "ordersPerSecond": per_second(outcome.orders, outcome.took),
        "caughtUpMs": u64::try_from(caught_up.as_millis()).unwrap_or(u64::MAX),
        "fsync": fsync.to_json(),
        "hop": hop.to_json(),
        "answered": outcome.answered.to_json(),
        "visible": outcome.visible.to_json(),
        "visibleP99ToHops": ratio(outcome.visible.micros(990), hop.micros(990).saturating_mul(HOPS)),
    })
}
