//! The day's calls at their intended times, each account's over one connection, in order.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use orderledger_domain::event::Event;
use orderledger_domain::ids::UserId;
use orderledger_domain::partition;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::calls::{self, OrderIds};
use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;
use crate::cli::benchmark::pacer;
use crate::latencies::Latencies;

/// Connections that send.
const LANES: u32 = 32;
/// Calls that wait for one connection; behind them the whole flow waits, and its lateness counts.
const WAITING: usize = 256;

/// What became of the calls since it was last looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// From the intended send to the answer.
    pub(super) answered: Latencies,
    /// From the send of a read to its answer.
    pub(super) read: Latencies,
    /// Done, or refused as the ledger must.
    pub(super) calls: u64,
    /// Orders that intake accepted, repeats not counted.
    pub(super) accepted: u64,
    /// Answers of 5xx.
    pub(super) failed: u64,
}

impl Window {
    /// Both together.
    pub(super) fn with(mut self, other: &Window) -> Window {
        self.answered.add(&other.answered);
        self.read.add(&other.read);
        self.calls = self.calls.saturating_add(other.calls);
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.failed = self.failed.saturating_add(other.failed);
        self
    }
}

/// Where the calls are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted(Arc<Mutex<Window>>);

impl Counted {
    /// What was counted since the last time.
    pub(super) fn take(&self) -> Window {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts.
    pub(super) fn add(&self, count: impl FnOnce(&mut Window)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

struct Due {
    event: Event,
    number: u64,
    at: Instant,
}

/// Sends them, by keys that begin with `name`, at `rate` a second, or as fast as they are answered with 0; ends when all are answered.
pub(super) async fn send(
    address: SocketAddr,
    name: &'static str,
    asked: impl Iterator<Item = (Option<UserId>, Event)>,
    rate: u32,
    counted: &Counted,
) -> Result<(), Failure> {
    let (mut lanes, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..LANES {
        let (sender, receiver) = mpsc::channel(WAITING);
        lanes.push(sender);
        tasks.spawn(
            Lane {
                address,
                name,
                connection: Connection::open(address).await?,
                ids: OrderIds::new(),
                counted: counted.clone(),
            }
            .run(receiver),
        );
    }
    let begun = Instant::now();
    for (number, (user, event)) in (0_u64..).zip(asked) {
        let at = if rate == 0 { Instant::now() } else { begun + pacer::due(rate, number) };
        tokio::time::sleep_until(at).await;
        let lane = user.map_or(0, |user| partition::of_key(user.as_str().as_bytes(), LANES));
        let lane = usize::try_from(lane).ok().and_then(|lane| lanes.get(lane));
        // A lane that ended says below why.
        if let Some(lane) = lane
            && lane.send(Due { event, number, at }).await.is_err()
        {
            break;
        }
    }
    drop(lanes);
    while let Some(done) = tasks.join_next().await {
        done.map_err(Failure::failed)??;
    }
    Ok(())
}

struct Lane {
    address: SocketAddr,
    name: &'static str,
    connection: Connection,
    ids: OrderIds,
    counted: Counted,
}

impl Lane {
    async fn run(mut self, mut calls: mpsc::Receiver<Due>) -> Result<(), Failure> {
        while let Some(Due { event, number, at }) = calls.recv().await {
            let Some(call) = calls::of(&event, &format!("{}-{number}", self.name), &self.ids) else { continue };
            if !self.connection.is_open() {
                self.connection = Connection::open(self.address).await?;
            }
            let answer = self.connection.write(call.method, &call.path, &call.key, false, call.body).await?;
            let took = at.elapsed();
            let mut accepted = 0;
            if let (Some(order), StatusCode::ACCEPTED) = (call.order, answer.status) {
                let said: Value = serde_json::from_slice(&answer.body).map_err(Failure::failed)?;
                let named = |field| said.get(field).and_then(Value::as_str);
                if let (Some(id), Some("new")) = (named("orderId"), named("status"))
                    && self.ids.insert(order, id.to_owned()).is_none()
                {
                    accepted = 1;
                }
            }
            if answer.status.is_server_error() {
                tracing::warn!(status = %answer.status, body = %String::from_utf8_lossy(&answer.body), "a call failed");
            }
            self.counted.add(|window| {
                window.answered.record(took);
                window.calls = window.calls.saturating_add(1);
                window.accepted = window.accepted.saturating_add(accepted);
                window.failed = window.failed.saturating_add(u64::from(answer.status.is_server_error()));
            });
        }
        Ok(())
    }
}

/// Reads balances and markets by turns, so many a second, until it is dropped.
pub(super) async fn read(
    address: SocketAddr,
    users: &[UserId],
    symbols: &[&str],
    rate: u32,
    counted: &Counted,
) -> Result<(), Failure> {
    let mut connection = Connection::open(address).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1).checked_div(rate).unwrap_or(Duration::from_secs(1)));
    for (user, symbol) in users.iter().cycle().zip(symbols.iter().cycle()) {
        for path in [format!("/v1/accounts/{user}/balances"), format!("/v1/markets/{symbol}")] {
            ticks.tick().await;
            let begun = Instant::now();
            let answer = connection.get(&path).await?;
            counted.add(|window| {
                window.read.record(begun.elapsed());
                window.failed = window.failed.saturating_add(u64::from(answer.status.is_server_error()));
            });
        }
    }
    Ok(())
}
