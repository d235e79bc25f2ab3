//! Orders sent at their intended times, whatever happened to those before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::{Answer, Connection};
use super::pacer::{self, Pace};
use crate::cli::Failure;
use crate::demo::dice::Dice;
use crate::latencies::Latencies;

/// What is traded.
pub(super) const SYMBOLS: [&str; 4] = ["AAPL", "MSFT", "NVDA", "KO"];
/// The price that everyone has in mind, in cents.
const MIDDLE: i64 = 10_000;
/// Enough for any run.
const CASH: &str = "100000000000";
const SHARES: &str = "10000000000";
/// In a closed loop every so many orders is a sample.
const SAMPLE_EVERY: u64 = 100;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Orders a second; 0: as many as the connections take.
    pub(super) rate: u32,
    pub(super) lasting: Duration,
    pub(super) connections: u32,
    pub(super) users: u32,
    /// Samples of visibility a second.
    pub(super) samples: u32,
    /// The number of the first order.
    pub(super) first: u64,
    /// No more orders than that.
    pub(super) at_most: u64,
}

impl Load {
    /// How many orders; as many as fit into the time in a closed loop.
    fn count(&self) -> u64 {
        let paced = u64::from(self.rate).saturating_mul(self.lasting.as_secs());
        self.at_most.min(if self.rate == 0 { u64::MAX } else { paced })
    }

    fn is_sample(&self, number: u64) -> bool {
        let every = u64::from(self.rate).checked_div(u64::from(self.samples)).unwrap_or(0).max(1);
        number.is_multiple_of(if self.rate == 0 { SAMPLE_EVERY } else { every })
    }
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// From the intended send to intake's answer.
    pub(super) answered: Latencies,
    /// Of the samples: to the decision of the book.
    pub(super) decided: Latencies,
    /// Of the samples: to the answers of balances and market that show it.
    pub(super) visible: Latencies,
    /// How late orders were sent.
    pub(super) late: Latencies,
    pub(super) accepted: u64,
    /// Anything but an accepted order.
    pub(super) failed: u64,
    /// Samples that were not visible in time.
    pub(super) unseen: u64,
    /// From the first to the last answer.
    pub(super) took: Duration,
}

impl Measured {
    fn add(&mut self, other: &Measured) {
        self.answered.add(&other.answered);
        self.decided.add(&other.decided);
        self.visible.add(&other.visible);
        self.late.add(&other.late);
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.failed = self.failed.saturating_add(other.failed);
        self.unseen = self.unseen.saturating_add(other.unseen);
        self.took = self.took.max(other.took);
    }
}

/// Gives every user cash and shares of everything.
pub(super) async fn fund(address: SocketAddr, users: u32) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    for lane in 0..users.min(32) {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for user in (lane..users).step_by(32) {
                let path = format!("/v1/accounts/u{user}/deposits");
                for asset in ["USD"].into_iter().chain(SYMBOLS) {
                    let amount = if asset == "USD" { CASH } else { SHARES };
                    let body = format!("{{\"asset\":\"{asset}\",\"amount\":\"{amount}\"}}");
                    let answer = connection.post(&path, &format!("fund-{asset}"), false, body).await?;
                    if answer.status != StatusCode::CREATED {
                        return Err(refused(&answer));
                    }
                }
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(Failure::failed)??;
    }
    Ok(())
}

fn refused(answer: &Answer) -> Failure {
    Failure::failed(format!("the server says {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}

/// One connection that sends, and two that read.
struct Worker {
    load: Load,
    begun: Instant,
    next: Arc<AtomicU64>,
    due: Arc<Semaphore>,
    writes: Connection,
    balances: Connection,
    market: Connection,
    measured: Measured,
}

/// Sends the load and measures.
pub(super) async fn send(address: SocketAddr, load: Load) -> Result<Measured, Failure> {
    let (next, due) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let open = || Connection::open(address);
        connections.push((open().await?, open().await?, open().await?));
    }
    let begun = Instant::now();
    let pace = Pace { rate: load.rate, count: load.count(), takers: load.connections };
    let pacer = (load.rate > 0).then(|| pacer::start(pace, begun, &due)).transpose()?;
    let mut tasks = JoinSet::new();
    for (writes, balances, market) in connections {
        let (next, due, measured) = (Arc::clone(&next), Arc::clone(&due), Measured::default());
        tasks.spawn(Worker { load, begun, next, due, writes, balances, market, measured }.run());
    }
    let mut all = Measured::default();
    while let Some(done) = tasks.join_next().await {
        all.add(&done.map_err(Failure::failed)??);
    }
    due.close();
    if pacer.is_some_and(|pacer| pacer.join().is_err()) {
        return Err(Failure::failed("the thread that keeps time panicked"));
    }
    Ok(all)
}

impl Worker {
    async fn run(mut self) -> Result<Measured, Failure> {
        loop {
            if self.load.rate > 0 {
                let Ok(permit) = self.due.acquire().await else { break };
                permit.forget();
            } else if self.begun.elapsed() >= self.load.lasting {
                break;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.load.count() {
                break;
            }
            let paced = self.begun.checked_add(pacer::due(self.load.rate, number));
            let intended = paced.filter(|_| self.load.rate > 0).unwrap_or_else(Instant::now);
            self.measured.late.record(intended.elapsed());
            self.place(number, intended).await?;
            self.measured.took = self.begun.elapsed();
        }
        Ok(self.measured)
    }

    async fn place(&mut self, number: u64, intended: Instant) -> Result<(), Failure> {
        let name = self.load.first.saturating_add(number);
        let mut dice = Dice::new(name);
        let user = dice.below(u64::from(self.load.users));
        let symbol = dice.pick(&SYMBOLS).copied().unwrap_or("AAPL");
        let side = if dice.per_mille(500) { "buy" } else { "sell" };
        let (quantity, cents) = (dice.below(100).saturating_add(1), MIDDLE.saturating_add(dice.between(-10, 10)));
        let body = format!(
            "{{\"symbol\":\"{symbol}\",\"side\":\"{side}\",\"orderType\":\"limit\",\"quantity\":{quantity},\
             \"price\":\"{}.{:02}\"}}",
            cents / 100,
            cents % 100
        );
        let sample = self.load.is_sample(number);
        let path = format!("/v1/accounts/u{user}/orders");
        let answer = self.writes.post(&path, &format!("order-{name}"), sample, body).await?;
        let rejected = || answer.body.windows(REJECTED.len()).any(|window| window == REJECTED);
        if !answer.status.is_success() || rejected() {
            if self.measured.failed == 0 {
                tracing::warn!(status = %answer.status, body = %String::from_utf8_lossy(&answer.body), "an order failed");
            }
            self.measured.failed = self.measured.failed.saturating_add(1);
            return Ok(());
        }
        self.measured.accepted = self.measured.accepted.saturating_add(1);
        if !sample {
            self.measured.answered.record(intended.elapsed());
            return Ok(());
        }
        self.measured.decided.record(intended.elapsed());
        self.look(answer, user, symbol, intended).await
    }

    /// Waits until balances and market show the order.
    async fn look(&mut self, answer: Answer, user: u64, symbol: &str, intended: Instant) -> Result<(), Failure> {
        let position = answer.position.unwrap_or_default();
        let balances = format!("/v1/accounts/u{user}/balances?waitMs=5000&minPosition={position}");
        let market = format!("/v1/markets/{symbol}?waitMs=5000&minPosition={position}");
        let (balances, market) = tokio::join!(self.balances.get(&balances), self.market.get(&market));
        let shown = balances?.status == StatusCode::OK && market?.status == StatusCode::OK;
        if shown && answer.status == StatusCode::OK {
            self.measured.visible.record(intended.elapsed());
        } else {
            self.measured.unseen = self.measured.unseen.saturating_add(1);
        }
        Ok(())
    }
}

const REJECTED: &[u8] = b"\"status\":\"rejected\"";
