//! `benchmark matching`: the book alone.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use orderledger_domain::book::{Action, Book, NewOrder, SelfTrade};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use serde_json::json;

use super::median;
use crate::cli::{Failure, print, print_json};
use crate::demo::dice::Dice;
use crate::latencies::{grouped, per_second, ratio};

pub(super) const ABOUT: &str = "\
Commands a second of the bare order book on one core: no log, no events, no other thread.

insert: limit orders that rest, spread over 2 x 500 prices. cancel: each of them, in random order. sweep: as many \
resting orders again, taken by incoming ones that fill about four each; counted are the incoming orders.

Beside it, in the same round, two loops over the same commands: copying each into a row (what it costs to look at a \
command at all), and adding or taking its shares in a tree of prices (the least that a book must do). Printed is the \
median of the rounds; 'x' is how much longer ours takes than that loop.";

/// Prices on each side, a tick apart.
const PRICES: i64 = 500;
/// The lowest ask; bids are below it.
const MIDDLE: i64 = 1_000_000;
const TICK: i64 = 100;
/// How many resting orders an incoming one of the sweep takes.
const SWEPT: usize = 4;
const SHARES: u64 = 100;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Commands of each kind in a round.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..=20_000_000))]
    records: u32,
    /// Rounds.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// One round's commands.
struct Commands {
    inserts: Vec<NewOrder>,
    cancels: Vec<u64>,
    /// Where each cancelled order rests, as the tree of prices needs it.
    cancelled: Vec<(i64, u64)>,
    sweeps: Vec<NewOrder>,
}

impl Commands {
    fn new(count: u32) -> Commands {
        let mut dice = Dice::new(u64::from(count));
        let inserts: Vec<NewOrder> = (1..=u64::from(count)).map(|key| resting(key, &mut dice)).collect();
        let mut order: Vec<&NewOrder> = inserts.iter().collect();
        for end in (1..order.len()).rev() {
            let other = dice.below(u64::try_from(end).unwrap_or(0).saturating_add(1));
            order.swap(end, usize::try_from(other).unwrap_or(0));
        }
        let cancels = order.iter().map(|order| order.key).collect();
        let cancelled = order.iter().map(|order| (order.price, order.quantity)).collect();
        let sweeps = inserts.chunks(SWEPT).zip(u64::from(count).saturating_add(1)..);
        let sweeps = sweeps.map(|(taken, key)| incoming(key, taken)).collect();
        Commands { inserts, cancels, cancelled, sweeps }
    }
}

fn resting(key: u64, dice: &mut Dice) -> NewOrder {
    let side = if key.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    let away = dice.between(0, PRICES.saturating_sub(1)).saturating_mul(TICK);
    let price = if side == Side::Buy { MIDDLE - TICK - away } else { MIDDLE + away };
    NewOrder {
        key,
        owner: key % 1000,
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        price,
        quantity: SHARES,
        budget: 0,
        maker_bps: 1,
        taker_bps: 3,
    }
}

/// An order of an account of its own that takes as many shares as rest in `taken`; bids and asks alternate.
fn incoming(key: u64, taken: &[NewOrder]) -> NewOrder {
    let side = if key.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    let reach = PRICES.saturating_mul(TICK);
    let price = if side == Side::Buy { MIDDLE + reach } else { MIDDLE - reach };
    let quantity = taken.iter().map(|order| order.quantity).sum::<u64>().max(1);
    let time_in_force = TimeInForce::Ioc;
    NewOrder {
        key,
        owner: 1001,
        time_in_force,
        ..NewOrder { side, price, quantity, ..resting(key, &mut Dice::new(0)) }
    }
}

/// What one kind came to: nanoseconds a command in every round, ours and those of the two loops.
struct Row {
    name: &'static str,
    rates: [Vec<u64>; 3],
}

impl Row {
    fn add(&mut self, commands: u64, took: [Duration; 3]) {
        for (rates, took) in self.rates.iter_mut().zip(took) {
            rates.push(per_second(commands, took));
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let commands = Commands::new(args.records);
    let mut rows = ["insert", "cancel", "sweep"].map(|name| Row { name, rates: [Vec::new(), Vec::new(), Vec::new()] });
    let mut actions = Vec::with_capacity(SWEPT.saturating_mul(4));
    let mut trades = 0;
    let mut book = Book::new();
    // Once before, so that the rounds find the book's memory in place: the steady state.
    submit(&mut book, &commands.inserts, &mut actions)?;
    cancel_all(&mut book, &commands, &mut actions);
    for _ in 0..args.rounds {
        let [insert, cancel, sweep] = &mut rows;
        let count = u64::from(args.records);
        insert.add(
            count,
            [submit(&mut book, &commands.inserts, &mut actions)?.0, copy(&commands.inserts), add(&commands)],
        );
        cancel.add(count, [cancel_all(&mut book, &commands, &mut actions), copy(&commands.cancels), take(&commands)]);
        submit(&mut book, &commands.inserts, &mut actions)?;
        let (took, traded) = submit(&mut book, &commands.sweeps, &mut actions)?;
        sweep.add(u64::try_from(commands.sweeps.len()).unwrap_or(0), [took, copy(&commands.sweeps), take(&commands)]);
        trades = traded;
        // What an uneven number of orders left.
        cancel_all(&mut book, &commands, &mut actions);
    }
    show(args, &mut rows, trades)
}

/// Hands all orders to the book; gives how long it took and the trades.
fn submit(book: &mut Book, orders: &[NewOrder], actions: &mut Vec<Action>) -> Result<(Duration, u64), Failure> {
    let (begun, mut trades) = (Instant::now(), 0_u64);
    for order in orders {
        actions.clear();
        book.submit(order, SelfTrade::ExpireIncoming, actions).map_err(Failure::failed)?;
        for action in black_box(&*actions) {
            trades = trades.saturating_add(u64::from(matches!(action, Action::Trade(_))));
        }
    }
    Ok((begun.elapsed(), trades))
}

fn cancel_all(book: &mut Book, commands: &Commands, actions: &mut Vec<Action>) -> Duration {
    let begun = Instant::now();
    for key in &commands.cancels {
        actions.clear();
        book.cancel(*key, actions);
        black_box(&*actions);
    }
    begun.elapsed()
}

/// The first loop: every command into a row.
fn copy<T: Copy>(commands: &[T]) -> Duration {
    let mut row = Vec::with_capacity(commands.len());
    let begun = Instant::now();
    for command in commands {
        row.push(*black_box(command));
    }
    black_box(&row);
    begun.elapsed()
}

/// The second loop: shares added in a tree of prices.
fn add(commands: &Commands) -> Duration {
    let begun = Instant::now();
    black_box(&filled(commands));
    begun.elapsed()
}

fn filled(commands: &Commands) -> BTreeMap<i64, u64> {
    let mut prices = BTreeMap::new();
    for order in &commands.inserts {
        let shares = prices.entry(order.price).or_insert(0_u64);
        *shares = shares.saturating_add(order.quantity);
    }
    prices
}

/// The second loop: shares taken out of a tree of prices, empty prices removed.
fn take(commands: &Commands) -> Duration {
    let mut prices = filled(commands);
    let begun = Instant::now();
    for (price, quantity) in &commands.cancelled {
        if let std::collections::btree_map::Entry::Occupied(mut shares) = prices.entry(*price) {
            *shares.get_mut() = shares.get().saturating_sub(*quantity);
            if *shares.get() == 0 {
                shares.remove();
            }
        }
    }
    black_box(&prices);
    begun.elapsed()
}

fn show(args: &Args, rows: &mut [Row; 3], trades: u64) -> Result<(), Failure> {
    let lines: Vec<(&str, [u64; 3])> =
        rows.iter_mut().map(|row| (row.name, row.rates.each_mut().map(|rates| median(rates)))).collect();
    if args.json {
        let row = |(name, [book, copied, tree]): &(&str, [u64; 3])| json!({ "command": name, "perSecond": book, "copyPerSecond": copied, "priceTreePerSecond": tree });
        let rows: Vec<_> = lines.iter().map(row).collect();
        return print_json(&json!({ "records": args.records, "rounds": args.rounds, "trades": trades, "rows": rows }));
    }
    let mut text = format!(
        "the bare book, one core, {} commands of each kind, median of {} rounds, commands/s\n\n{:<8} {:>14} {:>16} {:>8} {:>16} {:>8}\n",
        grouped(args.records),
        args.rounds,
        "",
        "book",
        "bare copy",
        "x",
        "tree of prices",
        "x"
    );
    for (name, [book, copied, tree]) in &lines {
        let (book, copied, tree) = (*book, *copied, *tree);
        text.push_str(&format!(
            "{name:<8} {:>14} {:>16} {:>8} {:>16} {:>8}\n",
            grouped(book),
            grouped(copied),
            ratio(copied, book),
            grouped(tree),
            ratio(tree, book)
        ));
    }
    if let Some((_, [sweeps, ..])) = lines.last() {
        let fills = u128::from(*sweeps).saturating_mul(u128::from(trades)) / u128::from(args.records.max(4) / 4);
        text.push_str(&format!("         {:>14} fills/s in the sweep\n", grouped(fills)));
    }
    print(text)
}
