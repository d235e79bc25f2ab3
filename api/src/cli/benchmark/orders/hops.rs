//! What the way of an order is made of, bare: a synced write, one hop through the log, one empty call.

use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::Topic;
use orderledger_store::event_log::embedded::EmbeddedOptions;
use orderledger_store::event_log::{AppenderKind, EmbeddedLog, EventLog, NewRecord, ReaderKind};

use super::client::Connection;
use crate::cli::Failure;
use crate::latencies::Latencies;

/// How often each is measured.
const TIMES: u64 = 300;
/// A page.
const WRITTEN_BYTES: usize = 4096;
/// About the size of an order's record.
const RECORD_BYTES: usize = 400;
/// How many commits of the log lie between the call and the views: the order; intake's answer with the book's copy;
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

/// Appends a record to a log that nobody else uses, and reads it with a reader that follows the end.
pub(super) fn hop(directory: &Path) -> Result<Latencies, Failure> {
    let log = EmbeddedLog::open(&directory.join("hop.redb"), 1, EmbeddedOptions::default())?;
    let (to, appender) = (Topic::Orders.at(0), log.appender(AppenderKind::Client)?);
    let mut reader = log.reader(&[(to, 0)], ReaderKind::Live)?;
    let value = Bytes::from(vec![b'x'; RECORD_BYTES]);
    let mut latencies = Latencies::default();
    for expected in 1..=TIMES {
        let record = NewRecord { to, key: Some(Bytes::from_static(b"u")), value: Some(value.clone()), headers: vec![] };
        let begun = Instant::now();
        // The reader tells that it is there.
        appender.append(vec![record], Box::new(drop))?;
        while reader.position(to) < expected {
            if reader.poll(Duration::from_secs(1))?.is_empty() && begun.elapsed() > Duration::from_secs(10) {
                return Err(Failure::failed("the bare log gives no record back; is the disk full?"));
            }
        }
        latencies.record(begun.elapsed());
    }
    log.close();
    Ok(latencies)
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
