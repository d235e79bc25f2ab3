//! `benchmark rebuild`: the projections from offset zero.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::worker::read::Read;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, ReaderKind, Record};
use serde_json::json;

use super::{ground, median};
use crate::cli::progress::Bar;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::feed::Feed;
use crate::demo::market_day::{MarketDay, Plan};
use crate::latencies::{grouped, per_second, ratio};
use crate::ledger::{Opened, Settings, fold_from_zero, open_log};

pub(super) const ABOUT: &str = "\
Records a second of settlement, market and audit folded from offset zero into fresh views in memory: one read of the \
log and one parse feed all three, as `orderledger rebuild all` does before it writes.

The log is a market day run through the real stages (or that of --data). Beside it, in the same round, over the same \
log: a loop that reads every record and counts its bytes (on Kafka: the bare librdkafka, tuned as for the rebuild), and one that reads and parses every record. Printed is the \
median of the rounds; 'x' is how much longer than the bare read it takes.";

/// A market day gives about so many records an order.
const RECORDS_PER_ORDER: u32 = 6;
const BATCH: usize = 256;
const BATCHES: u32 = 16;
const SETTLED_WITHIN: Duration = Duration::from_secs(600);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    log: ground::Args,
    /// About how many records the generated log has.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..=20_000_000))]
    records: u32,
    /// A data directory whose log is read instead (on Kafka: the topics of --topic-prefix); nothing in it is changed.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Rounds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// How many records and bytes one pass met, and how long it took.
#[derive(Clone, Copy, Default)]
struct Pass {
    records: u64,
    bytes: u64,
    took: Duration,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let ground = match &args.data {
        Some(data) => args.log.existing(data)?,
        None => args.log.fresh(scratch.path())?,
    };
    let settings = &ground.settings;
    if args.data.is_none() {
        generate(args.records, settings)?;
    }
    let (_data, log) = open_log(settings, false)?;
    let mut passes: [Vec<Pass>; 3] = Default::default();
    let mut bar = Bar::new(usize::try_from(args.rounds).unwrap_or(1).saturating_mul(3), "passes");
    for _ in 0..args.rounds {
        let [read, parsed, folded] = &mut passes;
        read.push(pass(&*log, |_, _| ())?);
        bar.set(read.len().saturating_mul(3).saturating_sub(2));
        parsed.push(pass(&*log, |from, record| {
            std::hint::black_box(Read::new(from, record, &settings.key));
        })?);
        bar.set(read.len().saturating_mul(3).saturating_sub(1));
        folded.push(fold(&*log, &settings.key, read.last().copied().unwrap_or_default())?);
        bar.set(read.len().saturating_mul(3));
    }
    bar.end();
    show(args, passes)
}

/// A market day through the real stages.
fn generate(records: u32, settings: &Settings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let Opened { ledger, workers } = Opened::open(settings)?;
    let orders = usize::try_from(records / RECORDS_PER_ORDER).unwrap_or(0).max(100);
    let plan = Plan { orders, users: orders.clamp(6, 3000), seed: 1 };
    let day = MarketDay::new(plan, ledger.partitions).map_err(Failure::failed)?;
    let feed = Feed::new(&ledger, runtime.handle(), BATCH, BATCHES);
    let mut bar = Bar::new(day.session_records(), "requests");
    let sent = feed.send(day.opening(), |_| ()).and_then(|_| {
        feed.send(day.session(), |sent| bar.set(sent))?;
        runtime.block_on(ledger.settled(SETTLED_WITHIN))
    });
    bar.end();
    drop((feed, ledger));
    workers.stop_and_join();
    Ok(sent?)
}

/// Reads the log once from end to end, and does that with every record.
fn pass(log: &dyn EventLog, mut each: impl FnMut(TopicPartition, Record)) -> Result<Pass, Error> {
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |p| topic.at(p)));
    let (mut from, mut ends) = (Vec::new(), Vec::new());
    for partition in all {
        from.push((partition, log.first_offset(partition)?));
        ends.push((partition, log.end_offset(partition)?));
    }
    let begun = Instant::now();
    let mut reader = log.reader(&from, ReaderKind::Rebuild)?;
    let mut pass = Pass::default();
    while ends.iter().any(|(partition, end)| reader.position(*partition) < *end) {
        for fetched in reader.poll(Duration::from_millis(100))? {
            for record in fetched.records {
                let bytes = [&record.key, &record.value].into_iter().flatten().map(bytes::Bytes::len).sum::<usize>();
                pass.bytes = pass.bytes.saturating_add(u64::try_from(bytes).unwrap_or(0));
                pass.records = pass.records.saturating_add(1);
                each(fetched.from, record);
            }
        }
    }
    Ok(Pass { took: begun.elapsed(), ..pass })
}

fn fold(log: &dyn EventLog, key: &StreamKey, read: Pass) -> Result<Pass, Failure> {
    let begun = Instant::now();
    let passed = fold_from_zero(log, key)?;
    Ok(Pass { records: passed.records, bytes: read.bytes, took: begun.elapsed() })
}

fn show(args: &Args, mut passes: [Vec<Pass>; 3]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (name, passes) in ["read", "read and parse", "three projections"].into_iter().zip(&mut passes) {
        let mut times: Vec<Duration> = passes.iter().map(|pass| pass.took).collect();
        let last = passes.last().copied().unwrap_or_default();
        rows.push((name, Pass { took: median(&mut times), ..last }));
    }
    let micros = |pass: &Pass| u64::try_from(pass.took.as_micros()).unwrap_or(u64::MAX);
    let bare = rows.first().map_or(0, |(_, pass)| micros(pass));
    if args.json {
        let row = |(name, pass): &(&str, Pass)| {
            json!({
                "pass": name,
                "records": pass.records,
                "bytes": pass.bytes,
                "micros": micros(pass),
                "recordsPerSecond": per_second(pass.records, pass.took),
            })
        };
        let rows: Vec<_> = rows.iter().map(row).collect();
        return print_json(&json!({ "rounds": args.rounds, "rows": rows }));
    }
    let first = rows.first().map(|(_, pass)| *pass).unwrap_or_default();
    let mut text = format!(
        "{} records, {} bytes of keys and values, median of {} rounds\n\n{:<18} {:>12} {:>10} {:>8}\n",
        grouped(first.records),
        grouped(first.bytes),
        args.rounds,
        "",
        "records/s",
        "MB/s",
        "x"
    );
    for (name, pass) in &rows {
        text.push_str(&format!(
            "{name:<18} {:>12} {:>10} {:>8}\n",
            grouped(per_second(pass.records, pass.took)),
            grouped(per_second(pass.bytes, pass.took) / 1_000_000),
            ratio(micros(pass), bare)
        ));
    }
    print(text)
}
