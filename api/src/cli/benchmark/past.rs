//! `benchmark past`: answers for past moments, before and after all views are rebuilt.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::{catch_up, forget_cached};
use super::server;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::dice::Dice;
use crate::latencies::{Latencies, grouped, millis};
use crate::ledger::Kind;

pub(super) const ABOUT: &str = "\
Answers for random past moments, one after another on one keep-alive connection, from a server that this command starts, this very \
program, on a data directory of the embedded log.

A moment is a random record of the log: of its account each list is asked as it was at that position, of its symbol the market, the \
tape and the candles; pages have 100 rows. Before each half of the table what the system has of the views' files in its cache is \
dropped, and mostly each question is for another account, so that most rows come from the disk. 'as found' is before, 'rebuilt' \
after all views were rebuilt from offset zero (which leaves the directory with one generation more).

Beside it: `GET /livez`, the bare call.";

/// How long a page is.
const PAGE: u32 = 100;
/// How long a rebuild of all may take.
const REBUILT_WITHIN: Duration = Duration::from_secs(7200);
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The data directory, of the embedded log, on which no server runs.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many moments.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    moments: u32,
    /// Which moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// A kind of question, and how long its answers took.
struct Row {
    name: &'static str,
    of: Topic,
    /// What stands around the account or symbol.
    around: (&'static str, &'static str),
    as_found: Latencies,
    rebuilt: Latencies,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if !args.data.join("log.redb").exists() {
        let what = format!("{} holds no embedded log: name one that `demo --data` has made", args.data.display());
        return Err(Failure::failed(what));
    }
    let data = args.data.canonicalize()?;
    let scratch = Scratch::new()?;
    let (address, _) = server::start_on(&scratch, &data, &[], None)?;
    let asker = Asker { agent: ureq::Agent::config_builder().proxy(None).build().into(), address };
    catch_up(&asker.agent, address, &scratch)?;
    let ends = asker.ends()?;
    let mut rows = rows();
    let mut dice = Dice::new(args.seed);
    forget_cached(&data.join("views"))?;
    asker.ask(args, &ends, &mut dice, &mut rows, |row| &mut row.as_found)?;
    asker.rebuild()?;
    forget_cached(&data.join("views"))?;
    asker.ask(args, &ends, &mut dice, &mut rows, |row| &mut row.rebuilt)?;
    drop(asker);
    if !scratch.end_children() {
        return Err(Failure::failed("the server did not end cleanly; look at its messages above"));
    }
    let records = ends.iter().fold(0_u64, |sum, (_, end)| sum.saturating_add(*end));
    if args.json { print_json(&to_json(args, records, &rows)) } else { print(text(args, records, &rows)) }
}

fn rows() -> Vec<Row> {
    let of_account = |name, path| (name, Topic::Orders, ("/v1/accounts/", path));
    let of_market = |name, path| (name, Topic::Trades, ("/v1/markets/", path));
    let kinds = [
        ("static", Topic::Orders, ("/livez", "")),
        of_account("balances", "/balances"),
        of_account("explain", "/balances/USD/explain"),
        of_account("postings", "/postings"),
        of_account("orders", "/orders"),
        of_account("fills", "/fills"),
        of_market("market", ""),
        of_market("tape", "/trades"),
        of_market("candles", "/candles"),
    ];
    let row =
        |(name, of, around)| Row { name, of, around, as_found: Latencies::default(), rebuilt: Latencies::default() };
    kinds.map(row).into()
}

/// Who asks.
struct Asker {
    agent: ureq::Agent,
    address: SocketAddr,
}

/// A record of a random moment: the partition, as positions name it, its offset, and whose it is.
struct Moment {
    partition: String,
    offset: u64,
    key: String,
}

impl Asker {
    fn get(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.agent.get(format!("http://{}{path}", self.address)).call();
        let body = answer.map_err(|error| Failure::failed(format!("{path}: {error}")))?.into_body().read_to_string();
        Ok(serde_json::from_str(&body.map_err(Failure::failed)?).unwrap_or_default())
    }

    /// The partitions of orders and trades that have records, and where they end.
    fn ends(&self) -> Result<Vec<(String, u64)>, Failure> {
        let projections = self.get("/v1/projections")?;
        let rows = projections.pointer("/data").and_then(Value::as_array).into_iter().flatten();
        let mut positions = rows.filter(|row| row.get("name").is_some_and(|name| name == "audit"));
        let positions = positions.next().and_then(|row| row.get("positions")).and_then(Value::as_object);
        let ends = positions.into_iter().flatten().filter_map(|(of, last)| Some((of.clone(), last.as_u64()?)));
        let ends: Vec<_> = ends.filter(|(of, _)| of.starts_with("orders-") || of.starts_with("trades-")).collect();
        if ["orders-", "trades-"].iter().any(|topic| !ends.iter().any(|(of, _)| of.starts_with(topic))) {
            return Err(Failure::failed("the log has no orders, or no trades: make it with `demo --data`"));
        }
        Ok(ends)
    }

    /// A record of that topic; one of the platform itself is nobody's.
    fn moment(&self, dice: &mut Dice, of: Topic, ends: &[(String, u64)]) -> Result<Moment, Failure> {
        const TRIES: u32 = 1000;
        let ends: Vec<_> = ends.iter().filter(|(partition, _)| partition.starts_with(&format!("{of}-"))).collect();
        for _ in 0..TRIES {
            let Some((partition, last)) = dice.pick(&ends) else { break };
            let offset = dice.below(last.saturating_add(1));
            let record = self.get(&format!("/v1/audit/events/{}/{offset}", partition.replace('-', "/")))?;
            let key = record.get("key").and_then(Value::as_str).filter(|key| !key.starts_with('_'));
            if let Some(key) = key {
                return Ok(Moment { partition: partition.clone(), offset, key: key.to_owned() });
            }
        }
        Err(Failure::failed(format!("no record of an account or a symbol was found in {of}")))
    }

    fn ask(
        &self,
        args: &Args,
        ends: &[(String, u64)],
        dice: &mut Dice,
        rows: &mut [Row],
        latencies: impl Fn(&mut Row) -> &mut Latencies,
    ) -> Result<(), Failure> {
        for _ in 0..args.moments {
            for row in &mut *rows {
                let Moment { partition, offset, key } = self.moment(dice, row.of, ends)?;
                let (before, after) = row.around;
                let path = match row.name {
                    "static" => before.to_owned(),
                    _ => format!("{before}{key}{after}?asOfPosition={partition}@{offset}{}", page(row.name)),
                };
                let begun = Instant::now();
                self.get(&path)?;
                latencies(row).record(begun.elapsed());
            }
        }
        Ok(())
    }

    /// Rebuilds all views, and waits for the last.
    fn rebuild(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        let call = self.agent.post(format!("http://{}/v1/projections/all/rebuild", self.address));
        call.header("idempotency-key", Uuid::new_v4().to_string()).send_empty().map_err(Failure::failed)?;
        for name in Kind::all().map(|kind| kind.name()) {
            loop {
                let state = self.get(&format!("/v1/projections/{name}/rebuild"))?;
                match state.get("phase").and_then(Value::as_str) {
                    Some("done") => break,
                    Some("failed" | "different" | "canceled") => {
                        return Err(Failure::failed(format!("the rebuild of {name} has not become live: {state}")));
                    }
                    _ if begun.elapsed() > REBUILT_WITHIN => {
                        return Err(Failure::failed(format!("the rebuild of {name} takes too long: {state}")));
                    }
                    _ => std::thread::sleep(LOOK_EVERY),
                }
            }
        }
        Ok(())
    }
}

fn page(name: &str) -> String {
    match name {
        "postings" | "orders" | "fills" | "tape" => format!("&limit={PAGE}"),
        "candles" => format!("&interval=1m&limit={PAGE}"),
        _ => String::new(),
    }
}

fn text(args: &Args, records: u64, rows: &[Row]) -> String {
    let mut text = format!(
        "{} moments of {} records of orders and trades, ms\n\n{:<10} {:>13} {:>8} {:>8} {:>13} {:>8} {:>8}\n",
        grouped(u64::from(args.moments)),
        grouped(records),
        "",
        "as found p50",
        "p99",
        "longest",
        "rebuilt p50",
        "p99",
        "longest"
    );
    for row in rows {
        let [found, rebuilt] =
            [&row.as_found, &row.rebuilt].map(|part| [part.micros(500), part.micros(990), part.max()].map(millis));
        text.push_str(&format!(
            "{:<10} {:>13} {:>8} {:>8} {:>13} {:>8} {:>8}\n",
            row.name, found[0], found[1], found[2], rebuilt[0], rebuilt[1], rebuilt[2]
        ));
    }
    text
}

fn to_json(args: &Args, records: u64, rows: &[Row]) -> Value {
    let row =
        |row: &Row| json!({"read": row.name, "asFound": row.as_found.to_json(), "rebuilt": row.rebuilt.to_json()});
    json!({"moments": args.moments, "records": records, "reads": rows.iter().map(row).collect::<Vec<_>>()})
}
