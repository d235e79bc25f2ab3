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
    /// In the views' files: what is known of each without reading it stands in memory.
    pub(super) rows: u64,
    /// In the books: each stands in memory, with its reserve.
    pub(super) resting_orders: u64,
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
    let mut connection = Connection::open(address).await?;
    let metrics = connection.get("/metrics").await?.body;
    let metrics = String::from_utf8_lossy(&metrics);
    let answer = connection.get("/v1/projections").await?;
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
        rows: total(&metrics, "orderledger_view_rows")?,
        resting_orders: total(&metrics, "orderledger_resting_orders")?,
        lag_critical_ms,
        lag_others_ms,
        // Last, behind every wait: a look that is called off has taken nothing.
        window: counted.take(),
    })
}

/// The samples of a metric added up; what is asked for are counts.
fn total(metrics: &str, name: &str) -> Result<u64, Failure> {
    let of_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let mut values = metrics.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()).peekable();
    if values.peek().is_none() {
        return Err(Failure::failed(format!("the server's /metrics have no {name}")));
    }
    // Prometheus' text has floating point: 12.0.
    let whole = |value: &str| value.split('.').next().unwrap_or_default().parse::<u64>();
    values.try_fold(0_u64, |sum, value| Ok(sum.saturating_add(whole(value).map_err(Failure::failed)?)))
}

/// The headings of [`Sample::line`].
pub(super) const HEADINGS: &str = "      at      records   calls/s  resident  files  threads  disk MiB  B/record         rows   resting   lag ms  others  answer p99  read p99   5xx\n";

impl Sample {
    /// As a line of the table; `before` is the look before.
    pub(super) fn line(&self, before: Option<&Sample>) -> String {
        let since = self.at.saturating_sub(before.map_or(Duration::ZERO, |before| before.at));
        format!(
            "{:>6} s {:>12} {:>9} {:>9} {:>6} {:>8} {:>9} {:>9} {:>12} {:>9} {:>8} {:>7} {:>11} {:>9} {:>5}\n",
            self.at.as_secs(),
            grouped(self.records),
            grouped(self.window.calls.checked_div(since.as_secs()).unwrap_or(0)),
            grouped(self.resident / MIB),
            self.files,
            self.threads,
            grouped(self.disk / MIB),
            self.disk.checked_div(self.records).unwrap_or(0),
            grouped(self.rows),
            grouped(self.resting_orders),
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
            "rows": self.rows,
            "restingOrders": self.resting_orders,
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
