//! The bare loops: one fsync, one record through the log.

use std::io::Write;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_store::event_log::embedded::{EmbeddedLog, EmbeddedOptions};
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord, ReaderKind};

use crate::cli::Failure;
use crate::latencies::Latencies;

/// How often each is done.
const ROUNDS: usize = 500;

/// 4 KiB written and synced.
pub(super) fn fsync(dir: &Path) -> Result<Latencies, Failure> {
    let mut file = std::fs::File::create(dir.join("fsync"))?;
    let mut latencies = Latencies::default();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        latencies.record(begun.elapsed());
    }
    Ok(latencies)
}

/// One record of 400 bytes appended to an embedded log of its own, acknowledged, and read by a live reader.
pub(super) fn hop(dir: &Path) -> Result<Latencies, Failure> {
    let log = EmbeddedLog::open(&dir.join("hop.redb"), 1, EmbeddedOptions::default())?;
    let partition = Topic::Orders.at(0);
    let appender = log.appender(AppenderKind::Client)?;
    let mut reader = log.reader(&[(partition, 0)], ReaderKind::Live)?;
    let (done, acknowledged) = channel();
    let mut latencies = Latencies::default();
    for _ in 0..ROUNDS {
        let record = NewRecord {
            to: partition,
            key: Some(b"user".as_slice().into()),
            value: Some(vec![b'x'; 400].into()),
            headers: Vec::new(),
        };
        let begun = Instant::now();
        let done = done.clone();
        appender.append(vec![record], Box::new(move |result| drop(done.send(result))))?;
        while reader.poll(Duration::from_secs(1))?.is_empty() {}
        latencies.record(begun.elapsed());
        acknowledged.recv().map_err(Failure::failed)??;
    }
    Ok(latencies)
}
