//! `benchmark matching`: the bare book on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use orderledger_domain::book::{Action, Book, NewOrder};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use serde_json::json;

use crate::cli::{Failure, print, print_json};
use crate::demo::dice::Dice;
use crate::latencies::{grouped, per_second, ratio};

/// Levels of each side.
const LEVELS: u64 = 100;
/// The lowest ask; bids lie below.
const MIDDLE: i64 = 1_000_000;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How many orders rest.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    records: u64,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// So many commands in that time.
struct Rate {
    name: &'static str,
    commands: u64,
    took: Duration,
}

impl Rate {
    fn per_second(&self) -> u64 {
        per_second(self.commands, self.took)
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let orders = resting(args.records);
    let mut cancels: Vec<u64> = orders.iter().map(|order| order.key).collect();
    shuffle(&mut cancels);
    let bare = measure("bare loop over the commands", args.records, || {
        orders.iter().fold(0_u64, |sum, order| sum.wrapping_add(black_box(order).quantity))
    });
    let (mut book, mut actions) = (Book::new(), Vec::new());
    // Once before, so that the measured rounds find the book's memory in place: the steady state.
    insert(&mut book, &orders, &mut actions)?;
    cancel(&mut book, &cancels, &mut actions);
    let begun = Instant::now();
    insert(&mut book, &orders, &mut actions)?;
    let inserted = Rate { name: "insert", commands: args.records, took: begun.elapsed() };
    let begun = Instant::now();
    cancel(&mut book, &cancels, &mut actions);
    let canceled = Rate { name: "cancel", commands: args.records, took: begun.elapsed() };
    insert(&mut book, &orders, &mut actions)?;
    let swept = sweep(&mut book, args.records, &mut actions)?;
    let rates = [bare, inserted, canceled, swept];
    if args.json { print_json(&to_json(&rates)) } else { print(table(&rates)) }
}

fn measure(name: &'static str, commands: u64, work: impl FnOnce() -> u64) -> Rate {
    let begun = Instant::now();
    black_box(work());
    Rate { name, commands, took: begun.elapsed() }
}

/// Orders that don't cross, spread over the levels of both sides.
fn resting(count: u64) -> Vec<NewOrder> {
    let mut dice = Dice::new(1);
    let order = |key: u64| {
        let side = if dice.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = i64::try_from(dice.below(LEVELS)).unwrap_or(0).saturating_mul(100);
        let price = match side {
            Side::Buy => MIDDLE.saturating_sub(100).saturating_sub(away),
            Side::Sell => MIDDLE.saturating_add(away),
        };
        NewOrder { quantity: dice.below(100).saturating_add(1), ..incoming(key, side, price, TimeInForce::Gtc) }
    };
    (1..=count).map(order).collect()
}

fn incoming(key: u64, side: Side, price: i64, time_in_force: TimeInForce) -> NewOrder {
    NewOrder {
        key,
        owner: if side == Side::Buy { 1 } else { 2 },
        side,
        kind: OrderType::Limit,
        time_in_force,
        post_only: false,
        price,
        quantity: 1,
        budget: 0,
        maker_bps: 1,
        taker_bps: 3,
    }
}

/// Fisher-Yates.
fn shuffle(keys: &mut [u64]) {
    let mut dice = Dice::new(2);
    for last in (1..keys.len()).rev() {
        let bound = u64::try_from(last).unwrap_or(0).saturating_add(1);
        keys.swap(last, usize::try_from(dice.below(bound)).unwrap_or(0));
    }
}

fn insert(book: &mut Book, orders: &[NewOrder], actions: &mut Vec<Action>) -> Result<(), Failure> {
    for order in orders {
        actions.clear();
        book.submit(order, actions).map_err(Failure::failed)?;
    }
    Ok(())
}

fn cancel(book: &mut Book, keys: &[u64], actions: &mut Vec<Action>) {
    for key in keys {
        actions.clear();
        book.cancel(*key, actions);
    }
}

/// Incoming orders of 2,000 shares each, from both sides, until the book is empty; counts trades.
fn sweep(book: &mut Book, resting: u64, actions: &mut Vec<Action>) -> Result<Rate, Failure> {
    let (mut trades, begun) = (0_u64, Instant::now());
    for key in resting.saturating_add(1).. {
        if book.is_empty() {
            break;
        }
        let side = if book.best(Side::Sell).is_some() { Side::Buy } else { Side::Sell };
        let price = if side == Side::Buy { MIDDLE.saturating_mul(2) } else { 1 };
        actions.clear();
        let order = NewOrder { quantity: 2000, ..incoming(key, side, price, TimeInForce::Ioc) };
        book.submit(&order, actions).map_err(Failure::failed)?;
        let traded = actions.iter().filter(|action| matches!(action, Action::Trade(_))).count();
        trades = trades.saturating_add(u64::try_from(traded).unwrap_or(0));
    }
    Ok(Rate { name: "sweep (trades)", commands: trades, took: begun.elapsed() })
}

fn table(rates: &[Rate]) -> String {
    let bare = rates.first().map_or(0, Rate::per_second);
    let mut text = format!("{:<28} {:>12} {:>14} {:>12}\n", "one core", "commands", "commands/s", "bare / ours");
    for rate in rates {
        let per_second = rate.per_second();
        text.push_str(&format!(
            "{:<28} {:>12} {:>14} {:>12}\n",
            rate.name,
            grouped(rate.commands),
            grouped(per_second),
            ratio(bare, per_second)
        ));
    }
    text
}

fn to_json(rates: &[Rate]) -> serde_json::Value {
    let row = |rate: &Rate| json!({"name": rate.name, "commands": rate.commands, "perSecond": rate.per_second()});
    json!(rates.iter().map(row).collect::<Vec<_>>())
}
