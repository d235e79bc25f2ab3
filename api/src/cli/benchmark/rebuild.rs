//! `benchmark rebuild`: the projections from offset zero.

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::kafka::{KafkaSettings, read_bare};
use orderledger_store::event_log::{EventLog, ReaderKind, Record};
use serde_json::{Value, json};

use super::ground;
use crate::cli::args::MemoryArgs;
use crate::cli::progress::Bar;
use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::feed::Feed;
use crate::demo::market_day::{MarketDay, Plan};
use crate::latencies::{grouped, per_second, ratio};
use crate::ledger::rebuild::memory::fetched_ahead;
use crate::ledger::{Opened, Settings, Written, fold_from_zero, open_log, rebuild_into};
use crate::spent;

pub(super) const ABOUT: &str = "\
Records a second of the projections rebuilt from offset zero: one read of the log and one parse feed all of them, as in \
`orderledger rebuild all`.

The log is a market day run through the real stages; with --data it is made once and kept there (on Kafka: in the topics of \
--topic-prefix), and read again by every later run. Over the same log, in the same round: on Kafka the bare librdkafka, configured as \
for the rebuild, polled by a loop that counts records and bytes and nothing else; a loop around our own reader that does the same; \
one that reads and parses every record; the fold within --memory-limit without storing its views; and the whole rebuild, until the \
views are written, synced and can be read. Printed is the median of the rounds. 'of bare' is the share of the bare loop's records a \
second, 'x bare' how many times its processor time and memory; the embedded log's bare loop is that around our reader. 'peak' is the \
most memory that the process held meanwhile.";

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
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    records: u32,
    /// How many accounts trade [default: 3,000, fewer in a short log]
    #[arg(long, value_parser = clap::value_parser!(u32).range(6..=5_000_000))]
    users: Option<u32>,
    /// A data directory whose log is read (on Kafka: the topics of --topic-prefix); what is there is not changed. Where there is
    /// none, the log is made and kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which projections: one, several with commas, or all.
    #[arg(long, default_value = "all", value_delimiter = ',',
          value_parser = ["settlement", "market", "audit", "notifications", "analytics", "all"])]
    projection: Vec<String>,
    #[command(flatten)]
    memory: MemoryArgs,
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
    cpu_millis: u64,
    peak_bytes: u64,
    /// Of the views, where they were written.
    disk_bytes: u64,
}

impl Pass {
    /// Records a second.
    fn rate(&self) -> u64 {
        per_second(self.records, self.took)
    }
}

/// The passes of a round, in their order. The first that there is, is the bare loop: only a log on a cluster has a client to
/// go without our reader.
const PASSES: [&str; 5] = ["bare", "read", "read and parse", "fold", "rebuild"];

/// What a pass takes, in time and memory.
fn measured(pass: impl FnOnce() -> Result<Pass, Failure>) -> Result<Pass, Failure> {
    spent::forget_peak();
    let (cpu, begun) = (spent::cpu_millis(), Instant::now());
    let pass = pass()?;
    let took = begun.elapsed();
    Ok(Pass { took, cpu_millis: spent::cpu_millis().saturating_sub(cpu), peak_bytes: spent::peak_bytes(), ..pass })
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let is_there = args.data.as_ref().is_some_and(|data| data.is_dir());
    let ground = match &args.data {
        Some(data) if is_there => args.log.existing(data)?,
        Some(data) => args.log.kept(data)?,
        None => args.log.fresh(scratch.path())?,
    };
    let settings = &ground.settings;
    if !is_there {
        generate(args.records, args.users, settings, Views::Empty)?;
    }
    let settings = &Settings { memory_limit: args.memory.limit, ..settings.clone() };
    let (_data, log) = open_log(settings, false)?;
    let (key, names, limit) = (&settings.key, args.projection.as_slice(), args.memory.limit);
    let mut passes: [Vec<Pass>; PASSES.len()] = Default::default();
    let mut bar = Bar::new(usize::try_from(args.rounds).unwrap_or(1).saturating_mul(PASSES.len()), "passes");
    for round in 0..args.rounds {
        let [bare, read, parsed, folded, rebuilt] = &mut passes;
        let held = held(&*log)?;
        if let Some(kafka) = &settings.kafka {
            bare.push(measured(|| {
                let fetched_ahead = Some(fetched_ahead(args.memory.limit));
                let (records, bytes) = read_bare(&KafkaSettings { fetched_ahead, ..kafka.clone() }, &held)?;
                Ok(Pass { records, bytes, ..Pass::default() })
            })?);
        }
        read.push(measured(|| pass(&*log, &held, |_, _| ()))?);
        parsed.push(measured(|| {
            pass(&*log, &held, |from, record| drop(std::hint::black_box(Read::new(from, record, key))))
        })?);
        let bytes = read.last().map_or(0, |pass| pass.bytes);
        folded.push(measured(|| {
            let records = fold_from_zero(scratch.path(), &*log, key, names, limit)?.records;
            Ok(Pass { records, bytes, ..Pass::default() })
        })?);
        let into = scratch.path().join(format!("views-{round}"));
        std::fs::create_dir(&into)?;
        rebuilt.push(measured(|| {
            let Written { records, disk_bytes, .. } = rebuild_into(&into, &*log, key, names, limit)?;
            Ok(Pass { records, bytes, disk_bytes, ..Pass::default() })
        })?);
        std::fs::remove_dir_all(&into)?;
        bar.set(usize::try_from(round).unwrap_or(0).saturating_add(1).saturating_mul(PASSES.len()));
    }
    bar.end();
    show(args, passes)
}

/// What the views hold of a generated log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Views {
    Empty,
    OfTheOpening,
}

/// A market day of about so many records through the real stages. The views have what stands there of its opening, or nothing.
pub(super) fn generate(records: u32, users: Option<u32>, settings: &Settings, views: Views) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let Opened { ledger, workers } = Opened::open(settings)?;
    let orders = usize::try_from(records / RECORDS_PER_ORDER).unwrap_or(0).max(100);
    let users = users.and_then(|users| usize::try_from(users).ok()).unwrap_or(orders.clamp(6, 3000));
    let plan = Plan { orders, users, seed: 1 };
    let day = MarketDay::new(plan, ledger.partitions).map_err(Failure::failed)?;
    let feed = Feed::new(&ledger, runtime.handle(), BATCH, BATCHES);
    let mut bar = Bar::new(day.session_records(), "requests");
    // What they would fold, nobody reads here.
    let rest = || match ledger.rest_projections(SETTLED_WITHIN) {
        true => Ok(()),
        false => Err(Failure::failed("the projections don't rest")),
    };
    let mut send = || {
        if views == Views::Empty {
            rest()?;
        }
        feed.send(day.opening(), |_| ())?;
        if views == Views::OfTheOpening {
            runtime.block_on(ledger.settled(SETTLED_WITHIN))?;
            rest()?;
        }
        feed.send(day.session(), |sent| bar.set(sent))?;
        runtime.block_on(ledger.stages_settled(Instant::now() + SETTLED_WITHIN))?;
        Ok(())
    };
    let sent = send();
    bar.end();
    drop((feed, ledger));
    workers.stop_and_join();
    sent
}

/// What the log holds and gives.
fn held(log: &dyn EventLog) -> Result<Vec<(TopicPartition, Range<u64>)>, Failure> {
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |p| topic.at(p)));
    all.map(|of| Ok((of, log.first_offset(of)?..log.stable_end(of)?))).collect()
}

/// Reads that once from end to end, and does that with every record.
fn pass(
    log: &dyn EventLog,
    held: &[(TopicPartition, Range<u64>)],
    mut each: impl FnMut(TopicPartition, Record),
) -> Result<Pass, Failure> {
    let from: Vec<_> = held.iter().map(|(of, held)| (*of, held.start)).collect();
    let mut reader = log.reader(&from, ReaderKind::Rebuild)?;
    let mut pass = Pass::default();
    while held.iter().any(|(of, held)| reader.position(*of) < held.end) {
        for fetched in reader.poll(Duration::from_millis(100))? {
            for record in fetched.records {
                let bytes = [&record.key, &record.value].into_iter().flatten().map(bytes::Bytes::len).sum::<usize>();
                pass.bytes = pass.bytes.saturating_add(u64::try_from(bytes).unwrap_or(0));
                pass.records = pass.records.saturating_add(1);
                each(fetched.from, record);
            }
        }
    }
    Ok(pass)
}

fn show(args: &Args, passes: [Vec<Pass>; PASSES.len()]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (name, mut passes) in PASSES.into_iter().zip(passes) {
        passes.sort_by_key(|pass| pass.took);
        rows.extend(passes.get(passes.len() / 2).map(|pass| (name, *pass)));
    }
    let bare = rows.first().map(|(_, pass)| *pass).unwrap_or_default();
    if args.json {
        let rows: Vec<_> = rows.iter().map(|(name, pass)| to_json(name, pass, &bare)).collect();
        return print_json(&json!({ "rounds": args.rounds, "rows": rows }));
    }
    let mut text = format!(
        "{} records, {} bytes of keys and values, {}, median of {} rounds\n\n\
         {:<15} {:>11} {:>8} {:>8} {:>9} {:>7} {:>10} {:>7} {:>12}\n",
        grouped(bare.records),
        grouped(bare.bytes),
        args.projection.join(", "),
        args.rounds,
        "",
        "records/s",
        "of bare",
        "MB/s",
        "cpu s",
        "x bare",
        "peak MiB",
        "x bare",
        "views : log"
    );
    let times = |of: u64, bare: u64| if bare > 0 { ratio(of, bare) } else { "-".to_owned() };
    for (name, pass) in &rows {
        let views = if pass.disk_bytes > 0 { ratio(pass.disk_bytes, pass.bytes) } else { "-".to_owned() };
        text.push_str(&format!(
            "{name:<15} {:>11} {:>7}% {:>8} {:>9} {:>7} {:>10} {:>7} {views:>12}\n",
            grouped(pass.rate()),
            pass.rate().saturating_mul(100) / bare.rate().max(1),
            grouped(per_second(pass.bytes, pass.took) / 1_000_000),
            format!("{}.{:02}", pass.cpu_millis / 1000, pass.cpu_millis % 1000 / 10),
            times(pass.cpu_millis, bare.cpu_millis),
            grouped(pass.peak_bytes >> 20),
            times(pass.peak_bytes, bare.peak_bytes),
        ));
    }
    print(text)
}

/// A row for a program; what can't be compared is null.
fn to_json(name: &str, pass: &Pass, bare: &Pass) -> Value {
    let per_mille = |of: u64, whole: u64| of.saturating_mul(1000).checked_div(whole);
    json!({
        "pass": name,
        "records": pass.records,
        "bytes": pass.bytes,
        "micros": u64::try_from(pass.took.as_micros()).unwrap_or(u64::MAX),
        "recordsPerSecond": pass.rate(),
        "cpuMillis": pass.cpu_millis,
        "peakBytes": pass.peak_bytes,
        "viewBytes": pass.disk_bytes,
        "ofBare": {
            "recordsPerSecondPerMille": per_mille(pass.rate(), bare.rate()),
            "cpuPerMille": per_mille(pass.cpu_millis, bare.cpu_millis),
            "peakPerMille": per_mille(pass.peak_bytes, bare.peak_bytes),
        },
        "viewsOfLogPerMille": per_mille(pass.disk_bytes, pass.bytes),
    })
}
