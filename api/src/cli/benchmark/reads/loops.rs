//! Reads in a closed loop, and at a pace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;
use crate::cli::benchmark::pacer::{self, Pace};
use crate::latencies::{Latencies, per_second};

/// What a closed loop gave.
#[derive(Clone, Default)]
pub(super) struct Loop {
    pub(super) requests: u64,
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
}

impl Loop {
    /// Requests a second.
    pub(super) fn rate(&self) -> u64 {
        per_second(self.requests, self.took)
    }
}

/// A closed loop over all connections.
pub(super) async fn read(
    address: SocketAddr,
    connections: u32,
    path: &str,
    lasting: Duration,
    sum: &mut Loop,
) -> Result<(), Failure> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in open {
        let path = path.to_owned();
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            while begun.elapsed() < lasting {
                get(&mut connection, &path, Instant::now(), &mut latencies).await?;
            }
            Ok::<_, Failure>(latencies)
        });
    }
    while let Some(done) = tasks.join_next().await {
        sum.latencies.add(&done.map_err(Failure::failed)??);
    }
    sum.requests = sum.latencies.count();
    sum.took = sum.took.saturating_add(begun.elapsed());
    Ok(())
}

/// So many a second, each at its intended time.
pub(super) async fn read_paced(
    address: SocketAddr,
    connections: u32,
    path: &str,
    rate: u32,
    lasting: Duration,
) -> Result<Latencies, Failure> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let count = u64::from(rate).saturating_mul(lasting.as_secs().max(1));
    let (next, permits, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)), Instant::now());
    let pacer = pacer::start(Pace { rate, count, takers: connections }, begun, &permits)?;
    let mut tasks = JoinSet::new();
    for mut connection in open {
        let (path, next, permits) = (path.to_owned(), Arc::clone(&next), Arc::clone(&permits));
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            while let Ok(permit) = permits.acquire().await {
                permit.forget();
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    break;
                }
                let intended = begun.checked_add(pacer::due(rate, number)).unwrap_or(begun);
                get(&mut connection, &path, intended, &mut latencies).await?;
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut all = Latencies::default();
    while let Some(done) = tasks.join_next().await {
        all.add(&done.map_err(Failure::failed)??);
    }
    permits.close();
    pacer.join().map_err(|_| Failure::failed("the thread that keeps time panicked"))?;
    Ok(all)
}

async fn get(connection: &mut Connection, path: &str, from: Instant, to: &mut Latencies) -> Result<(), Failure> {
    let answer = connection.get(path).await?;
    if answer.status != StatusCode::OK {
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(Failure::failed(format!("GET {path} gives {}: {said}", answer.status)));
    }
    to.record(from.elapsed());
    Ok(())
}
