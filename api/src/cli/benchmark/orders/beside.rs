//! What goes on beside the load: hot reads, and rebuilds of all views one after another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::Value;

use super::strain::{Strain, strain};
use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;
use crate::latencies::Latencies;

/// How often something is read.
const READ_EVERY: Duration = Duration::from_millis(10);
/// How often it is looked whether a rebuild has ended: to look costs the server something, too.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const REBUILD: &str = "/v1/projections/all/rebuild";

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::benchmark) enum Busy {
    /// Reads alone.
    Reads,
    /// Reads, and rebuilds of all views.
    Rebuilds,
    /// Reads, and what [`strain`] does.
    Strained,
}

/// What went on.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::benchmark) struct Beside {
    /// Of reads of the state as it is, one every 10 ms: balances and markets by turns, waiting for no position.
    pub(in crate::cli::benchmark) reads: Latencies,
    /// Reads that gave anything but a 200.
    pub(in crate::cli::benchmark) failed_reads: u64,
    /// Rebuilds of all views that came to their end.
    pub(in crate::cli::benchmark) rebuilds: u64,
    /// What faults and demanding callers came to.
    pub(in crate::cli::benchmark) strain: Strain,
}

/// Goes on as long as the work takes.
pub(in crate::cli::benchmark) async fn beside<T>(
    address: SocketAddr,
    busy: Busy,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, Beside), Failure> {
    let done = Arc::new(AtomicBool::new(false));
    let reads = tokio::spawn(read(address, Arc::clone(&done)));
    let rebuilt = (busy == Busy::Rebuilds).then(|| tokio::spawn(rebuild(address, Arc::clone(&done))));
    let strained = (busy == Busy::Strained).then(|| tokio::spawn(strain(address, Arc::clone(&done))));
    let worked = work.await;
    done.store(true, Ordering::Relaxed);
    let mut beside = reads.await.map_err(Failure::failed)??;
    if let Some(rebuilt) = rebuilt {
        beside.rebuilds = rebuilt.await.map_err(Failure::failed)??;
    }
    if let Some(strained) = strained {
        beside.strain = strained.await.map_err(Failure::failed)??;
    }
    Ok((worked?, beside))
}

async fn read(address: SocketAddr, done: Arc<AtomicBool>) -> Result<Beside, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut beside = Beside::default();
    for path in ["/v1/accounts/u0/balances", "/v1/markets/AAPL"].into_iter().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        tokio::time::sleep(READ_EVERY).await;
        let begun = Instant::now();
        let answer = connection.get(path).await?;
        beside.reads.record(begun.elapsed());
        if answer.status != StatusCode::OK {
            beside.failed_reads = beside.failed_reads.saturating_add(1);
        }
    }
    Ok(beside)
}

async fn rebuild(address: SocketAddr, done: Arc<AtomicBool>) -> Result<u64, Failure> {
    let mut connection = Connection::open(address).await?;
    let mut ended = 0_u64;
    while !done.load(Ordering::Relaxed) {
        let key = format!("rebuild-{ended}");
        let answer = connection.post(REBUILD, &key, false, "{}".to_owned()).await?;
        if answer.status != StatusCode::ACCEPTED {
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(Failure::failed(format!("the server doesn't rebuild its views: {said}")));
        }
        while runs(&mut connection).await? {
            if done.load(Ordering::Relaxed) {
                // Nobody waits for the rest of it.
                connection.write(Method::DELETE, REBUILD, "cancel", false, String::new()).await?;
                return Ok(ended);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        ended = ended.saturating_add(1);
    }
    Ok(ended)
}

/// Whether a rebuild runs; fails where one came to anything but a live view.
async fn runs(connection: &mut Connection) -> Result<bool, Failure> {
    let answer = connection.get("/v1/projections").await?;
    let status: Value = serde_json::from_slice(&answer.body).map_err(Failure::failed)?;
    let rows = status.get("data").and_then(Value::as_array).into_iter().flatten();
    let rebuilds: Vec<&Value> = rows.filter_map(|row| row.get("rebuild")).collect();
    let has_ended = |rebuild: &&&Value| rebuild.get("endedAt").is_some_and(|at| !at.is_null());
    let failed =
        rebuilds.iter().filter(has_ended).find(|rebuild| rebuild.get("phase").is_none_or(|phase| phase != "done"));
    if let Some(failed) = failed {
        return Err(Failure::failed(format!("a rebuild failed: {failed}")));
    }
    Ok(rebuilds.iter().any(|rebuild| !has_ended(&rebuild)))
}
