//! `benchmark rebuild`: the three projections from offset zero in one pass, beside bare loops over the same log.

use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::worker::read::Read;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, Fetched, ReaderKind};
use serde_json::json;

use crate::cli::scratch::Scratch;
use crate::cli::{Failure, print, print_json};
use crate::demo::feed::Feed;
use crate::demo::market_day::{MarketDay, Plan};
use crate::latencies::{grouped, per_second, ratio};
use crate::ledger::{Opened, Settings, open_log, rebuild};

/// Records of a market day for each order that it places, roughly.
const RECORDS_PER_ORDER: u64 = 6;
/// How long the day may take to be settled.
const SETTLED_WITHIN: Duration = Duration::from_secs(1800);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// About how many records the log has.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    records: u64,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// One loop over the log.
struct Pass {
    name: &'static str,
    records: u64,
    bytes: u64,
    took: Duration,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let settings = Settings::new(scratch.path());
    generate(&settings, args.records)?;
    let (data, log) = open_log(&settings, false)?;
    let bare = pass("bare read", &*log, |_| {})?;
    let parsed = pass("read and parse", &*log, |fetched| {
        for record in &fetched.records {
            std::hint::black_box(Read::new(fetched.from, record.clone(), &StreamKey::default()));
        }
    })?;
    let rebuilt = rebuild(&data, &*log, &settings.key, "all", &mut |_| {})?;
    let folding = rebuilt.first().map_or(Duration::ZERO, |rebuilt| rebuilt.folding);
    let records = rebuilt.first().map_or(0, |rebuilt| rebuilt.records);
    if let Some(differs) = rebuilt.iter().find(|rebuilt| !rebuilt.is_equal()) {
        return Err(Failure::difference(format!("the rebuilt {} view differs from the live one", differs.projection)));
    }
    let ours = Pass { name: "settlement, market, audit folded", records, bytes: bare.bytes, took: folding };
    let passes = [bare, parsed, ours];
    if args.json { print_json(&to_json(&passes)) } else { print(table(&passes)) }
}

/// A market day through the real stages.
fn generate(settings: &Settings, records: u64) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let Opened { ledger, workers } = Opened::open(settings)?;
    let orders = usize::try_from(records / RECORDS_PER_ORDER).unwrap_or(usize::MAX);
    let day = MarketDay::new(Plan { orders, users: 1000, seed: 1 }, ledger.partitions).map_err(Failure::failed)?;
    let feed = Feed::new(&ledger, runtime.handle(), 200, 16);
    let sent = feed
        .send(day.opening(), |_| {})
        .and_then(|_| feed.send(day.session(), |_| {}))
        .and_then(|_| feed.send(day.closing(), |_| {}))
        .and_then(|_| runtime.block_on(ledger.settled(SETTLED_WITHIN)));
    drop(feed);
    drop(ledger);
    workers.stop_and_join();
    Ok(sent?)
}

fn pass(name: &'static str, log: &dyn EventLog, mut each: impl FnMut(&Fetched)) -> Result<Pass, Error> {
    let all = Topic::ALL.into_iter().flat_map(|topic| (0..log.partitions()).map(move |number| topic.at(number)));
    let assigned: Vec<_> = all.map(|partition| (partition, 0)).collect();
    let mut left = Vec::new();
    for (partition, _) in &assigned {
        left.push((*partition, log.end_offset(*partition)?));
    }
    let mut reader = log.reader(&assigned, ReaderKind::Rebuild)?;
    let mut pass = Pass { name, records: 0, bytes: 0, took: Duration::ZERO };
    let begun = Instant::now();
    while !left.is_empty() {
        for fetched in reader.poll(Duration::from_millis(100))? {
            let length = |bytes: Option<&bytes::Bytes>| bytes.map_or(0, bytes::Bytes::len);
            let bytes =
                fetched.records.iter().map(|record| length(record.key.as_ref()) + length(record.value.as_ref()));
            pass.bytes = pass.bytes.saturating_add(u64::try_from(bytes.sum::<usize>()).unwrap_or(0));
            pass.records = pass.records.saturating_add(u64::try_from(fetched.records.len()).unwrap_or(0));
            each(&fetched);
        }
        left.retain(|(partition, end)| reader.position(*partition) < *end);
    }
    pass.took = begun.elapsed();
    Ok(pass)
}

fn table(passes: &[Pass]) -> String {
    let bare = passes.first().map_or(0, |pass| per_second(pass.records, pass.took));
    let mut text = format!(
        "{:<36} {:>10} {:>10} {:>12} {:>8} {:>12}\n",
        "from offset zero", "records", "MB", "records/s", "MB/s", "bare / ours"
    );
    for pass in passes {
        let rate = per_second(pass.records, pass.took);
        text.push_str(&format!(
            "{:<36} {:>10} {:>10} {:>12} {:>8} {:>12}\n",
            pass.name,
            grouped(pass.records),
            grouped(pass.bytes / 1_000_000),
            grouped(rate),
            grouped(per_second(pass.bytes, pass.took) / 1_000_000),
            ratio(bare, rate)
        ));
    }
    text
}

fn to_json(passes: &[Pass]) -> serde_json::Value {
    let row = |pass: &Pass| {
        json!({
            "name": pass.name,
            "records": pass.records,
            "bytes": pass.bytes,
            "recordsPerSecond": per_second(pass.records, pass.took),
        })
    };
    json!(passes.iter().map(row).collect::<Vec<_>>())
}
