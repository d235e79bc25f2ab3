//! `benchmark reads`: what hot reads cost, beside a static answer of the same server.

mod loops;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use self::loops::{Loop, read, read_paced};
use crate::cli::benchmark::client::Connection;
use crate::cli::benchmark::load::{self, Load, SYMBOLS};
use crate::cli::benchmark::{ground, server};
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::latencies::{Latencies, grouped, millis};

pub(super) const ABOUT: &str = "\
Reads over HTTP on keep-alive connections against a server that this command starts on a temporary directory, fills with \
orders, and ends.

Each row is a closed loop over all connections: as many requests a second as come back. Rows take turns in short \
rounds, so that all meet the same machine; '%' is a row's rate of that of the static answer (`GET /livez`, whose way \
through the server is the same but for the look into a view). First with nothing else going on, then while orders come in \
at --rate: there the static answer meets the same orders. The client shares the cores with the server, so a rate is \
what both together manage.

Behind it, 'at half': the same read sent at half of its idle rate, each at its intended time, and how long it then takes.";

/// How often the rows take turns.
const ROUNDS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(60);
/// The account that is read.
const USER: &str = "u7";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    log: ground::Args,
    /// Orders a second in the part under flow.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long each row is asked, idle and again under flow.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(3..=3600))]
    seconds: u32,
    /// Connections that read.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Accounts that place the orders.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(8..=100_000))]
    users: u32,
    /// Orders that are there before anything is read.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    orders: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// One kind of read and what it took.
struct Row {
    name: &'static str,
    path: String,
    idle: Loop,
    under_flow: Loop,
    at_half: Latencies,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let ground = args.log.fresh(&scratch.path().join("data"))?;
    let (address, _) = server::start(&scratch, &ground)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(args, &scratch, address));
    // The connections end here, so that the server has nothing left to wait for.
    drop(runtime);
    let rows = rows?;
    if !scratch.end_children() {
        return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
    }
    if args.json { print_json(&to_json(args, &rows)) } else { print(text(args, &rows)) }
}

async fn measure(args: &Args, scratch: &Scratch, address: SocketAddr) -> Result<Vec<Row>, Failure> {
    server::ready(scratch, address).await?;
    load::fund(address, args.users).await?;
    let filling = Load {
        rate: 0,
        lasting: PATIENCE,
        connections: args.connections,
        users: args.users,
        samples: 1,
        first: 0,
        at_most: u64::from(args.orders),
    };
    let filled = load::send(address, filling).await?;
    let mut connection = Connection::open(address).await?;
    if server::catch_up(&mut connection, PATIENCE).await?.caught_up.is_none() {
        return Err(Failure::failed("the workers did not reach the log's end; see the server's messages above"));
    }
    let mut rows = rows(&mut connection).await?;
    let round = Duration::from_secs(u64::from(args.seconds)) / ROUNDS;
    for _ in 0..ROUNDS {
        for row in &mut rows {
            read(address, args.connections, &row.path, round, &mut row.idle).await?;
        }
    }
    for row in &mut rows {
        let rate = u32::try_from(row.idle.rate() / 2).unwrap_or(u32::MAX).max(1);
        row.at_half = read_paced(address, args.connections, &row.path, rate, round).await?;
    }
    // Somewhat longer than all reads together take.
    let seconds = args.seconds.saturating_mul(u32::try_from(rows.len()).unwrap_or(1)).saturating_add(2);
    let lasting = Duration::from_secs(u64::from(seconds));
    let first = filled.accepted.saturating_add(filled.failed);
    let flow = Load { rate: args.rate, lasting, first, at_most: u64::MAX, ..filling };
    let reads = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..ROUNDS {
            for row in &mut rows {
                read(address, args.connections, &row.path, round, &mut row.under_flow).await?;
            }
        }
        Ok::<_, Failure>(())
    };
    let (sent, read) = tokio::join!(load::send(address, flow), reads);
    read?;
    let sent = sent?;
    if sent.failed > 0 {
        return Err(Failure::failed(format!("{} orders failed beside the reads: lower the --rate", sent.failed)));
    }
    Ok(rows)
}

/// The kinds of reads.
async fn rows(connection: &mut Connection) -> Result<Vec<Row>, Failure> {
    let orders = json_of(connection, &format!("/v1/accounts/{USER}/orders?limit=1")).await?;
    let of = |name: &str| {
        let value = orders.pointer(&format!("/data/0/{name}")).and_then(Value::as_str);
        value.map(str::to_owned).ok_or_else(|| Failure::failed(format!("the server shows no order of {USER}")))
    };
    let order = of("orderId")?;
    // A past moment: the oldest order of the page of the oldest orders.
    let oldest = json_of(connection, &format!("/v1/accounts/{USER}/orders?limit=1&order=asc")).await?;
    let past = oldest.pointer("/data/0/position").and_then(Value::as_str).unwrap_or_default().to_owned();
    let [symbol, ..] = SYMBOLS;
    Ok([
        ("static", "/livez".to_owned()),
        ("balances", format!("/v1/accounts/{USER}/balances")),
        ("order", format!("/v1/accounts/{USER}/orders/{order}")),
        ("market", format!("/v1/markets/{symbol}")),
        ("book", format!("/v1/markets/{symbol}/book")),
        ("history, page of 100", format!("/v1/accounts/{USER}/transactions?limit=100")),
        ("balances of the past", format!("/v1/accounts/{USER}/balances?asOfPosition={past}")),
    ]
    .map(|(name, path)| Row {
        name,
        path,
        idle: Loop::default(),
        under_flow: Loop::default(),
        at_half: Latencies::default(),
    })
    .into())
}

async fn json_of(connection: &mut Connection, path: &str) -> Result<Value, Failure> {
    serde_json::from_slice(&connection.get(path).await?.body).map_err(Failure::failed)
}

/// A rate as a share of the static answer's, in percent.
fn percent(rate: u64, of: u64) -> u64 {
    rate.saturating_mul(100).checked_div(of).unwrap_or(0)
}

/// The rates of the static answer: idle, and under flow.
fn static_rates(rows: &[Row]) -> (u64, u64) {
    rows.first().map_or((0, 0), |row| (row.idle.rate(), row.under_flow.rate()))
}

fn text(args: &Args, rows: &[Row]) -> String {
    let (idle, under_flow) = static_rates(rows);
    let mut text = format!(
        "{} connections, {} orders there; under flow: {} orders/s\n\n{:<22} {:>10} {:>6} {:>9} {:>12} {:>12} {:>6} {:>9}\n",
        args.connections,
        grouped(args.orders),
        grouped(args.rate),
        "",
        "idle /s",
        "%",
        "p99 ms",
        "at half p99",
        "in flow /s",
        "%",
        "p99 ms"
    );
    for row in rows {
        let p99 = |latencies: &Latencies| millis(latencies.micros(990));
        text.push_str(&format!(
            "{:<22} {:>10} {:>6} {:>9} {:>12} {:>12} {:>6} {:>9}\n",
            row.name,
            grouped(row.idle.rate()),
            percent(row.idle.rate(), idle),
            p99(&row.idle.latencies),
            p99(&row.at_half),
            grouped(row.under_flow.rate()),
            percent(row.under_flow.rate(), under_flow),
            p99(&row.under_flow.latencies),
        ));
    }
    text
}

fn to_json(args: &Args, rows: &[Row]) -> Value {
    let (idle, under_flow) = static_rates(rows);
    let part = |part: &Loop, of: u64| {
        json!({
            "perSecond": part.rate(),
            "percentOfStatic": percent(part.rate(), of),
            "latencies": part.latencies.to_json(),
        })
    };
    let row = |row: &Row| {
        json!({
            "read": row.name,
            "path": row.path,
            "idle": part(&row.idle, idle),
            "atHalf": row.at_half.to_json(),
            "underFlow": part(&row.under_flow, under_flow),
        })
    };
    json!({
        "connections": args.connections,
        "orders": args.orders,
        "rate": args.rate,
        "seconds": args.seconds,
        "reads": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
