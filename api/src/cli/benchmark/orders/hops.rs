//! What the way of an order is made of, bare: a synced write, one hop through the log, one empty call.

use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord, Reader, ReaderKind};

use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;
use crate::latencies::Latencies;

/// How often each is measured.
const TIMES: u64 = 300;
/// For how many seconds a hop is measured at a rate.
const PACED_SECONDS: u64 = 5;
const LOOK: Duration = Duration::from_millis(100);
const GIVES_UP: Duration = Duration::from_secs(10);
/// A page.
const WRITTEN_BYTES: usize = 4096;
/// About the size of an order's record.
const RECORD_BYTES: usize = 400;
/// How many hops through the log lie between the call and the views: the order; intake's answer with the book's copy;
/// matching's answers with the tape.
pub(super) const HOPS: u64 = 3;
/// How many calls: the order's, and the reads'.
pub(super) const CALLS: u64 = 2;

/// The bare figures.
pub(super) struct Hops {
    pub(super) fsync: Latencies,
    pub(super) hop: Latencies,
    pub(super) call: Latencies,
}

impl Hops {
    /// The sum of the hops on the way, at that quantile, in microseconds.
    pub(super) fn sum(&self, per_mille: u32) -> u64 {
        let hops = self.hop.micros(per_mille).saturating_mul(HOPS);
        hops.saturating_add(self.call.micros(per_mille).saturating_mul(CALLS))
    }
}

/// Writes a page and syncs it.
pub(super) fn fsync(directory: &Path) -> Result<Latencies, Failure> {
    let mut latencies = Latencies::default();
    let mut file = std::fs::File::create(directory.join("fsync"))?;
    let page = [7_u8; WRITTEN_BYTES];
    for _ in 0..TIMES {
        let begun = Instant::now();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page)?;
        file.sync_data()?;
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}

/// Appends records to a log that nobody else uses, so many a second, and reads them with a reader that follows the end:
/// from the intended append to the moment when each is there. Without a rate the next one follows the last.
pub(super) fn hop(log: &dyn EventLog, rate: u32) -> Result<Latencies, Failure> {
    let all: Vec<TopicPartition> = (0..log.partitions()).map(|partition| Topic::Orders.at(partition)).collect();
    let from: Vec<(TopicPartition, u64)> = all.iter().map(|of| (*of, 0)).collect();
    let (appender, mut reader) = (log.appender(AppenderKind::Client)?, log.reader(&from, ReaderKind::Live)?);
    let (times, pause) = match Duration::from_secs(1).checked_div(rate) {
        None => (TIMES, Duration::ZERO),
        Some(pause) => (u64::from(rate).saturating_mul(PACED_SECONDS), pause),
    };
    // The first record waits until the log knows its producer: it is not measured.
    append(&*appender, &all, 0)?;
    wait_for(&mut *reader, 1, |_| ())?;
    let mut latencies = Latencies::default();
    let begun = Instant::now();
    if rate == 0 {
        for number in 1..=times {
            let begun = Instant::now();
            append(&*appender, &all, number)?;
            wait_for(&mut *reader, 1, |_| latencies.record(begun.elapsed()))?;
        }
    } else {
        let due = |number: u64| begun + pause * u32::try_from(number).unwrap_or(u32::MAX);
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                for number in 1..=times {
                    std::thread::sleep(due(number).saturating_duration_since(Instant::now()));
                    append(&*appender, &all, number)?;
                }
                Ok(())
            });
            let read = wait_for(&mut *reader, times, |number| latencies.record(due(number).elapsed()));
            let sent = sender.join().unwrap_or_else(|_| Err(Failure::failed("the thread that appends panicked")));
            sent.and(read)
        })?;
    }
    log.close();
    Ok(latencies)
}

/// Appends the record of that number; the reader tells that it is there.
fn append(appender: &dyn Appender, all: &[TopicPartition], number: u64) -> Result<(), Failure> {
    let place = usize::try_from(number).unwrap_or(0).checked_rem(all.len()).unwrap_or(0);
    let to = all.get(place).copied().unwrap_or(Topic::Orders.at(0));
    let mut value = number.to_be_bytes().to_vec();
    value.resize(RECORD_BYTES, b'x');
    let record = NewRecord { to, key: Some(Bytes::from_static(b"u")), value: Some(value.into()), headers: vec![] };
    Ok(appender.append(vec![record], Box::new(drop))?)
}

/// Reads so many records, and says the number of each.
fn wait_for(reader: &mut dyn Reader, times: u64, mut each: impl FnMut(u64)) -> Result<(), Failure> {
    let (mut read, mut last) = (0, Instant::now());
    while read < times {
        for record in reader.poll(LOOK)?.iter().flat_map(|fetched| &fetched.records) {
            let number = record.value.as_deref().and_then(|value| value.first_chunk()).copied();
            each(u64::from_be_bytes(number.unwrap_or_default()));
            (read, last) = (read + 1, Instant::now());
        }
        if last.elapsed() > GIVES_UP {
            return Err(Failure::failed("the bare log gives no record back; is the disk full?"));
        }
    }
    Ok(())
}

/// Asks for nothing.
pub(super) async fn call(address: SocketAddr) -> Result<Latencies, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Latencies::default();
    for _ in 0..TIMES {
        let begun = Instant::now();
        connection.get("/livez").await?;
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}
