//! What many parked entities cost: `parking-benchmark [--entities N] [--waiting N] [--samples N]`.
//!
//! A log is written in which so many users have a record that settlement can't apply, and so many records behind them. A server
//! folds it from zero, which parks them. Compared in one run, over the same log:
//!
//! - others: from sending a deposit of another user to seeing it in that user's balances, one after the other, over HTTP;
//!   while all are parked, and again when none is. The ratio of the two p99 is what parking costs others.
//! - retry: `orderledger parked retry --all`, from its start until nothing waits, in records a second.
//!
//! The server's memory is printed beside each. Both sides run the program with faults on demand, which looks for a change of
//! what is poisoned at every record: rates are lower bounds.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::io::{Write, stdout};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_api::demo::feed::Feed;
use orderledger_api::latencies::{Latencies, grouped, per_second, ratio};
use orderledger_api::ledger::{Opened, Settings};
use orderledger_domain::envelope;
use orderledger_domain::event::{Deposit, Event};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::partition::of_key;
use orderledger_domain::position::Topic;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::NewRecord;
use orderledger_tests::client::Client;
use orderledger_tests::run;
use orderledger_tests::server::{Home, Server};
use serde_json::{Value, json};
use uuid::Uuid;

const USAGE: &str = "parking-benchmark [--entities N] [--waiting N] [--samples N]";
/// Records of one append, and appends under way at once.
const BATCH: usize = 256;
const BATCHES: u32 = 16;
/// Other users, one after the other.
const OTHERS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(1800);

type Failed = Box<dyn Error>;

struct Plan {
    entities: u64,
    waiting: u64,
    samples: u64,
}

fn main() -> Result<(), Failed> {
    let plan = plan()?;
    let home = Home::embedded();
    let poison = fill(&home, &plan)?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), poison.into_iter().collect::<Vec<_>>().join("\n"))?;
    // What the filling folded knew of no poison.
    fs::remove_dir_all(home.data().join("views").join("settlement"))?;
    let poison = file.path().to_str().ok_or("a temporary file's name")?;
    let unlimited = ["--parking-consecutive", "1000000000", "--parking-ratio", "100"];
    let begun = Instant::now();
    let mut server = home.start_faulty(&unlimited, &[("ORDERLEDGER_POISON_FILE", poison)]);
    server.wait_until_ready();
    until(&server.client, parked, "all are parked", |waiting| waiting >= plan.waiting)?;
    let waited = parked(&server.client)?;
    said(&format!(
        "{} records wait; folded from zero in {:.1?}; {}",
        grouped(waited),
        begun.elapsed(),
        memory(&server)?
    ))?;
    // Told and read back: until then their own notices keep the projection busy, which is no cost of being parked.
    until(&server.client, noticed, "all are noticed", |noticed| noticed >= plan.entities)?;
    let beside = others(&server.client, plan.samples)?;
    said(&format!("while all are parked; {}", memory(&server)?))?;
    fs::write(file.path(), "")?;
    let begun = Instant::now();
    let output = run(&["parked", "retry", "--all", "--actor", "benchmark", "--server", server.client.base()])?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let asked = begun.elapsed();
    until(&server.client, parked, "nothing waits", |waiting| waiting == 0)?;
    let took = begun.elapsed();
    said(&format!(
        "retry of all: {} records a second ({:.1?}, of which {:.1?} to decide); {}",
        grouped(per_second(waited, took)),
        took,
        asked,
        memory(&server)?
    ))?;
    let alone = others(&server.client, plan.samples)?;
    said(&format!(
        "\n{:<22} {}\n{:<22} {}\n{:<22} {}\np99 {} times",
        "others, milliseconds",
        Latencies::headings(),
        "all parked",
        beside.columns(),
        "none parked",
        alone.columns(),
        ratio(beside.micros(990), alone.micros(990))
    ))?;
    server.stop();
    home.verify();
    Ok(())
}

fn plan() -> Result<Plan, Failed> {
    let mut plan = Plan { entities: 10_000, waiting: 1_000_000, samples: 3000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let number = arguments.next().and_then(|value| value.parse::<u64>().ok()).filter(|number| *number > 0);
        match (option.as_str(), number) {
            ("--entities", Some(number)) => plan.entities = number,
            ("--waiting", Some(number)) => plan.waiting = number,
            ("--samples", Some(number)) => plan.samples = number,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(plan)
}

/// The log, written by the program's own stages; the positions that settlement is to refuse.
fn fill(home: &Home, plan: &Plan) -> Result<BTreeSet<String>, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let Opened { ledger, workers } = Opened::open(&Settings::new(home.data()))?;
    let users = (0..plan.entities).map(|user| UserId::new(&format!("parked-{user}")));
    let users: Vec<UserId> = users.collect::<Result<_, _>>()?;
    let mut poison = BTreeSet::new();
    for some in users.chunks(BATCH) {
        let batch: Vec<NewRecord> = some.iter().map(|user| deposit(user, ledger.partitions)).collect();
        let partitions: Vec<u32> = batch.iter().map(|record| record.to.partition).collect();
        let (acknowledge, acknowledged) = mpsc::channel();
        ledger.appender.append(batch, Box::new(move |offsets| drop(acknowledge.send(offsets))))?;
        let at = partitions.into_iter().zip(acknowledged.recv()??);
        poison
            .extend(at.map(|(partition, offset)| format!("settlement:{}", Topic::Orders.at(partition).offset(offset))));
    }
    // What intake says of the first record waits as well, and so do two for each record that follows.
    let more = (plan.waiting / 2).saturating_sub(plan.entities);
    let feed = Feed::new(&ledger, runtime.handle(), BATCH, BATCHES);
    let records = users.iter().cycle().take(usize::try_from(more)?).map(|user| deposit(user, ledger.partitions));
    feed.send(records, |_| ())?;
    runtime.block_on(ledger.settled(PATIENCE))?;
    drop((feed, ledger));
    workers.stop_and_join();
    Ok(poison)
}

fn deposit(user: &UserId, partitions: u32) -> NewRecord {
    let event =
        Event::DepositMade(Deposit { user_id: user.clone(), asset: Asset::USD, amount: Amount::from_units(10_000) });
    let key = user.as_str().as_bytes();
    NewRecord {
        to: Topic::Orders.at(of_key(key, partitions)),
        key: Some(Bytes::copy_from_slice(key)),
        value: Some(
            envelope::write_outside(Uuid::new_v4(), Timestamp::from_millis(1_700_000_000_000), &event, "benchmark")
                .into(),
        ),
        headers: Vec::new(),
    }
}

/// What the server says of settlement.
fn settlement(client: &Client) -> Result<Value, Failed> {
    let answer: Value = client.try_get("/v1/projections")?.json();
    let rows = answer.get("data").and_then(Value::as_array).ok_or("no projections")?;
    let settlement = rows.iter().find(|row| row.get("name").is_some_and(|name| name == "settlement"));
    Ok(settlement.cloned().ok_or("no settlement")?)
}

/// How many records wait in settlement.
fn parked(client: &Client) -> Result<u64, Failed> {
    Ok(settlement(client)?.get("parked").and_then(Value::as_u64).ok_or("no count of what is parked")?)
}

/// How many notices settlement has read back.
fn noticed(client: &Client) -> Result<u64, Failed> {
    let row = settlement(client)?;
    let partitions = row.get("partitions").and_then(Value::as_object).ok_or("no counts of partitions")?;
    let of_notices = partitions.iter().filter(|(name, _)| name.starts_with(Topic::DeadLetters.name()));
    Ok(of_notices.filter_map(|(_, row)| row.get("consumed")?.as_u64()).sum())
}

fn until(
    client: &Client,
    ask: impl Fn(&Client) -> Result<u64, Failed>,
    what: &str,
    right: impl Fn(u64) -> bool,
) -> Result<(), Failed> {
    let begun = Instant::now();
    while !right(ask(client)?) {
        if begun.elapsed() > PATIENCE {
            return Err(format!("not within {PATIENCE:?}: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// From a deposit's sending to its sight in the balances.
fn others(client: &Client, samples: u64) -> Result<Latencies, Failed> {
    let mut latencies = Latencies::default();
    for sample in 0..samples {
        let user = format!("other-{}", sample % OTHERS);
        let body = json!({"asset": "USD", "amount": "1"});
        let begun = Instant::now();
        let answer = client.post(format!("/v1/accounts/{user}/deposits"), &body).try_send()?;
        let position = answer.json().get("position").cloned().ok_or_else(|| format!("no position: {answer:?}"))?;
        client.balances(&user, &position);
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}

/// What the server's process holds in memory, now and at most.
fn memory(server: &Server<'_>) -> Result<String, Failed> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid().as_raw_nonzero()))?;
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim_matches([':', ' ', '\t']).split(' ').next()?.parse::<u64>().ok());
        kib.map_or(0, |kib| kib / 1024)
    };
    Ok(format!("{} MiB resident, {} MiB at most", of("VmRSS"), of("VmHWM")))
}

fn said(what: &str) -> Result<(), Failed> {
    Ok(writeln!(stdout(), "{what}")?)
}
