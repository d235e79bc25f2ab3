//! A seeded day of 60,000 messages in LOBSTER's form: every execution happens again with the order that the file names.

use std::fmt::Write;
use std::path::Path;

use orderledger_domain::book::{Action, Book, NewOrder, SelfTrade};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};
use orderledger_tests::run_json;
use serde_json::{Value, json};

use crate::real_files::verify;

const MESSAGES: u64 = 60_000;

/// A small generator with a seed (Marsaglia 2003, xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// A market that only ever does what LOBSTER's types 1 to 4 can tell.
struct Day {
    random: Random,
    book: Book,
    live: Vec<u64>,
    next_id: u64,
    executions: u64,
    text: String,
}

impl Day {
    fn line(&mut self, message: u64, kind: u8, id: u64, size: u64, price: i64, side: Side) {
        let (seconds, direction) = (34_200 + message / 3, if side == Side::Buy { 1 } else { -1 });
        writeln!(self.text, "{seconds}.{message:09},{kind},{id},{size},{price},{direction}").unwrap();
    }

    fn submit(&mut self, message: u64) {
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = i64::try_from(self.random.below(40)).unwrap() * 100 + 100;
        let price = if side == Side::Buy { 5_850_000 - away } else { 5_850_000 + away };
        let (key, quantity) = (self.next_id, self.random.below(300) + 1);
        self.next_id += 1 + self.random.below(3);
        self.take(key, side, quantity, price, TimeInForce::Gtc);
        self.live.push(key);
        self.line(message, 1, key, quantity, price, side);
    }

    fn take(&mut self, key: u64, side: Side, quantity: u64, price: i64, time_in_force: TimeInForce) -> Vec<Action> {
        let owner = if side == Side::Buy { 1 } else { 2 };
        let order = NewOrder {
            key,
            owner,
            side,
            kind: OrderType::Limit,
            time_in_force,
            post_only: false,
            price,
            quantity,
            budget: 0,
            maker_bps: 0,
            taker_bps: 0,
        };
        let mut actions = Vec::new();
        self.book.submit(&order, SelfTrade::ExpireIncoming, &mut actions).unwrap();
        actions
    }

    fn execute(&mut self, message: u64, side: Side) -> bool {
        let Some(best) = self.book.best(side) else { return false };
        let first =
            self.book.orders().into_iter().find(|order| order.side == side && order.price == best.price).copied();
        let first = first.unwrap();
        let size = self.random.below(first.leaves()) + 1;
        let actions = self.take(u64::MAX - message, side.opposite(), size, best.price, TimeInForce::Ioc);
        let Some(Action::Trade(trade)) = actions.first() else { panic!("no trade: {actions:?}") };
        assert_eq!(trade.maker.key, first.key);
        self.line(message, 4, first.key, size, best.price, side);
        self.executions += 1;
        true
    }

    /// A partial cancel or a deletion of any live order.
    fn reduce(&mut self, message: u64) -> bool {
        let count = u64::try_from(self.live.len()).unwrap();
        if count == 0 {
            return false;
        }
        let place = usize::try_from(self.random.below(count)).unwrap();
        let Some(order) = self.book.get(self.live[place]).copied() else {
            self.live.swap_remove(place);
            return false;
        };
        let mut actions = Vec::new();
        if order.leaves() > 1 && self.random.below(4) == 0 {
            let size = self.random.below(order.leaves() - 1) + 1;
            self.book
                .amend(order.key, (order.price, order.quantity - size), SelfTrade::ExpireIncoming, &mut actions)
                .unwrap();
            self.line(message, 2, order.key, size, order.price, order.side);
        } else {
            self.book.cancel(order.key, &mut actions);
            self.live.swap_remove(place);
            self.line(message, 3, order.key, order.leaves(), order.price, order.side);
        }
        true
    }
}

fn generate(seed: u64) -> Day {
    let (book, live, text) = (Book::new(), Vec::new(), String::new());
    let mut day = Day { random: Random(seed), book, live, next_id: 1, executions: 0, text };
    let mut message = 0;
    while message < MESSAGES {
        let done = match day.random.below(100) {
            0..=49 => {
                day.submit(message);
                true
            }
            50..=53 => day.execute(message, Side::Buy),
            54..=57 => day.execute(message, Side::Sell),
            _ => day.reduce(message),
        };
        message += u64::from(done);
    }
    day
}

fn import(file: &Path, data: &Path) -> Value {
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    run_json(&["import", "lobster", file, "--symbol", "DAY", "--json", "--data", data]).unwrap()
}

#[test]
fn a_whole_day_is_imported_exactly_and_twice_gives_the_same_report() {
    let day = generate(20_120_621);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("DAY_2012-06-21_34200000_57600000_message_10.csv");
    std::fs::write(&file, &day.text).unwrap();
    let report = import(&file, &dir.path().join("data"));
    assert!(day.executions > 3_000, "a day without trading: {}", day.executions);
    let all = day.executions;
    assert_eq!(report["executions"], json!({"inFile": all, "reproduced": all, "atNamedOrder": all}));
    assert_eq!(report["trades"], json!(all));
    assert_eq!(report["messages"], json!(MESSAGES));
    verify(&dir.path().join("data"));
    assert_eq!(import(&file, &dir.path().join("again")), report, "another directory, another report");
    assert_eq!(import(&file, &dir.path().join("data")), report, "the same directory, another report");
}
