//! The load: who orders what, and how long it takes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::client::{Answer, Client};
use crate::cli::Failure;
use crate::demo::dice::Dice;
use crate::latencies::Latencies;

/// How many symbols are traded.
const SYMBOLS: u64 = 8;

/// How the load is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) to: SocketAddr,
    pub(super) users: u64,
    /// Orders a second; 0: as fast as they are answered.
    pub(super) rate: u64,
    pub(super) seconds: u64,
    pub(super) connections: u64,
    /// How many orders a second are followed until they are visible.
    pub(super) sampled: u64,
}

/// What the load came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) answered: Latencies,
    pub(super) visible: Latencies,
    pub(super) orders: u64,
    pub(super) failed: u64,
    pub(super) took: Duration,
}

fn symbol(number: u64) -> String {
    format!("SYM{number}")
}

/// Gives every user cash and shares of every symbol.
pub(super) async fn fund(load: Load) -> Result<(), Failure> {
    let lane = |lane: u64| async move {
        let mut client = Client::connect(load.to).await?;
        for user in (0..load.users).filter(|user| user % load.connections == lane) {
            let path = format!("/v1/accounts/bench{user}/deposits");
            let mut deposits = vec![("USD".to_owned(), "1000000000")];
            deposits.extend((0..SYMBOLS).map(|number| (symbol(number), "10000000")));
            for (asset, amount) in deposits {
                let body = format!(r#"{{"asset":"{asset}","amount":"{amount}"}}"#);
                expect(201, &client.post(&path, &format!("fund-{asset}"), false, body).await?)?;
            }
        }
        Ok::<(), Failure>(())
    };
    join((0..load.connections).map(|number| tokio::spawn(lane(number)))).await.map(drop)
}

/// Runs the load to its end.
pub(super) async fn run(load: Load) -> Result<Outcome, Failure> {
    let begun = Instant::now() + Duration::from_millis(200);
    let sampled = if load.rate == 0 { 0 } else { load.sampled.min(load.rate) };
    let plain = load.rate.saturating_sub(sampled);
    let lanes = (0..load.connections)
        .map(|lane| tokio::spawn(Lane { load, begun, lane, of: load.connections, rate: plain, samples: false }.run()));
    let followers = if sampled == 0 { 0 } else { 8 };
    let samplers = (0..followers)
        .map(|lane| tokio::spawn(Lane { load, begun, lane, of: followers, rate: sampled, samples: true }.run()));
    let done = join(lanes.chain(samplers).collect::<Vec<_>>()).await?;
    let mut outcome = Outcome { took: begun.elapsed(), ..Outcome::default() };
    for lane in done {
        outcome.answered.add(&lane.answered);
        outcome.visible.add(&lane.visible);
        outcome.orders = outcome.orders.saturating_add(lane.orders);
        outcome.failed = outcome.failed.saturating_add(lane.failed);
    }
    Ok(outcome)
}

async fn join<T>(
    tasks: impl IntoIterator<Item = tokio::task::JoinHandle<Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.map_err(Failure::failed)??);
    }
    Ok(done)
}

fn expect(status: u16, answer: &Answer) -> Result<(), Failure> {
    if answer.status == status {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    Err(Failure::failed(format!("the server answers {} where {status} is expected: {body}", answer.status)))
}

/// One connection's share: every `of`-th order, from `lane` on.
#[derive(Clone, Copy)]
struct Lane {
    load: Load,
    begun: Instant,
    lane: u64,
    of: u64,
    rate: u64,
    samples: bool,
}

impl Lane {
    async fn run(self) -> Result<Outcome, Failure> {
        let mut client = Client::connect(self.load.to).await?;
        let kind = if self.samples { "sample" } else { "order" };
        let mut dice = Dice::new(self.lane.wrapping_mul(7919).wrapping_add(u64::from(self.samples)).wrapping_add(1));
        let mut outcome = Outcome::default();
        let end = self.begun + Duration::from_secs(self.load.seconds);
        for number in (self.lane..).step_by(usize::try_from(self.of).unwrap_or(1)) {
            let due = self.due(number);
            if due.max(Instant::now()) >= end {
                break;
            }
            sleep_until(due).await;
            let due = if self.rate == 0 { Instant::now() } else { due };
            let user = dice.below(self.load.users);
            let symbol = symbol(dice.below(SYMBOLS));
            let body = order(&mut dice, &symbol);
            let path = format!("/v1/accounts/bench{user}/orders");
            let key = format!("{kind}-{}-{number}", self.load.rate);
            let answer = client.post(&path, &key, self.samples, body).await?;
            outcome.orders = outcome.orders.saturating_add(1);
            if self.samples {
                expect(200, &answer)?;
                self.follow(&mut client, user, &symbol, &answer.text("position")).await?;
                outcome.visible.record(due.elapsed());
            } else if answer.status == 202 {
                outcome.answered.record(due.elapsed());
            } else {
                outcome.failed = outcome.failed.saturating_add(1);
            }
        }
        Ok(outcome)
    }

    fn due(&self, number: u64) -> Instant {
        let micros = number.saturating_mul(1_000_000).checked_div(self.rate).unwrap_or(0);
        self.begun + Duration::from_micros(micros)
    }

    /// Asks balances and market at the order's positions: both views show it when they answer.
    async fn follow(&self, client: &mut Client, user: u64, symbol: &str, position: &str) -> Result<(), Failure> {
        let balances = format!("/v1/accounts/bench{user}/balances?minPosition={position}&waitMs=10000");
        expect(200, &client.get(&balances).await?)?;
        let market = format!("/v1/markets/{symbol}?minPosition={position}&waitMs=10000");
        expect(200, &client.get(&market).await?)
    }
}

/// Limit orders around a price; about half of them trade at once.
fn order(dice: &mut Dice, symbol: &str) -> String {
    let buys = dice.below(2) == 0;
    let away = dice.below(20);
    let cents = if buys { 10_010_u64.saturating_sub(away) } else { 9_990_u64.saturating_add(away) };
    let (side, quantity) = (if buys { "buy" } else { "sell" }, dice.below(20).saturating_add(1));
    format!(
        r#"{{"symbol":"{symbol}","side":"{side}","orderType":"limit","quantity":{quantity},"price":"{}.{:02}"}}"#,
        cents / 100,
        cents % 100
    )
}
