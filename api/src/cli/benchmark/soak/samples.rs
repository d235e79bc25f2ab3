//! How the server is while it runs: looked at from outside, once in a while.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::flow::{Counted, Window};
use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;
use crate::latencies::{grouped, millis};
use crate::spent;

const MIB: u64 = 1024 * 1024;

/// One look, and what was done since the one before.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Since the flow began.
    pub(super) at: Duration,
    /// In the log.
    pub(super) records: u64,
    /// Resident memory of the server, in bytes.
    pub(super) resident: u64,
    pub(super) files: u64,
    pub(super) threads: u64,
    /// Bytes of the data directory's files.
    pub(super) disk: u64,
    /// The longest lag of a group with the class critical, and of the others, in milliseconds.
    pub(super) lag_critical_ms: u64,
    pub(super) lag_others_ms: u64,
    pub(super) window: Window,
}

/// Looks at the server, over a connection of its own: one that rests for a minute is closed.
pub(super) async fn look(
    address: SocketAddr,
    process: u32,
    data: &Path,
    at: Duration,
    counted: &Counted,
) -> Result<Sample, Failure> {
    let answer = Connection::open(address).await?.get("/v1/projections").await?;
    let status: Value = serde_json::from_slice(&answer.body).map_err(Failure::failed)?;
    let unknown = || Failure::failed("the server doesn't say how far its workers are behind");
    let (mut records, mut lag_critical_ms, mut lag_others_ms) = (0, 0, 0);
    for row in ["stages", "data"].into_iter().filter_map(|list| status.get(list)?.as_array()).flatten() {
        let lag = row.get("lagMs").and_then(Value::as_u64).ok_or_else(unknown)?;
        let critical = row.get("class").and_then(Value::as_str) == Some("critical");
        let longest: &mut u64 = if critical { &mut lag_critical_ms } else { &mut lag_others_ms };
        *longest = lag.max(*longest);
        if row.get("name").and_then(Value::as_str) == Some("audit") {
            // Audit keeps every record there is.
            records = row.get("consumed").and_then(Value::as_u64).ok_or_else(unknown)?;
        }
    }
    Ok(Sample {
        at,
        records,
        resident: spent::held_bytes_of(process),
        files: spent::open_files_of(process),
        threads: spent::threads_of(process),
        disk: spent::file_bytes_below(data),
        lag_critical_ms,
        lag_others_ms,
        // Last, behind every wait: a look that is called off has taken nothing.
        window: counted.take(),
    })
}

/// The headings of [`Sample::line`].
pub(super) const HEADINGS: &str = "      at      records   calls/s  resident  files  threads  disk MiB  B/record   lag ms  others  answer p99  read p99   5xx\n";

impl Sample {
    /// As a line of the table; `before` is the look before.
    pub(super) fn line(&self, before: Option<&Sample>) -> String {
        let since = self.at.saturating_sub(before.map_or(Duration::ZERO, |before| before.at));
        format!(
            "{:>6} s {:>12} {:>9} {:>9} {:>6} {:>8} {:>9} {:>9} {:>8} {:>7} {:>11} {:>9} {:>5}\n",
            self.at.as_secs(),
            grouped(self.records),
            grouped(self.window.calls.checked_div(since.as_secs()).unwrap_or(0)),
            grouped(self.resident / MIB),
            self.files,
            self.threads,
            grouped(self.disk / MIB),
            self.disk.checked_div(self.records).unwrap_or(0),
            self.lag_critical_ms,
            self.lag_others_ms,
            millis(self.window.answered.micros(990)),
            millis(self.window.read.micros(990)),
            self.window.failed,
        )
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "seconds": self.at.as_secs(),
            "records": self.records,
            "residentBytes": self.resident,
            "openFiles": self.files,
            "threads": self.threads,
            "diskBytes": self.disk,
            "lagCriticalMs": self.lag_critical_ms,
            "lagOthersMs": self.lag_others_ms,
            "calls": self.window.calls,
            "accepted": self.window.accepted,
            "failed": self.window.failed,
            "answered": self.window.answered.to_json(),
            "read": self.window.read.to_json(),
        })
    }
}
