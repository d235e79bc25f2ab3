//! The sixteen public scenarios of `takehome_scenarios.txt` through the real book, every expected line compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orderledger_domain::book::{Action, Book, NewOrder, SelfTrade, Trade};
use orderledger_domain::terms::{OrderType, Side, TimeInForce};

const SCENARIOS: &str = include_str!("takehome_scenarios.txt");

/// The exercise's venue: a book a symbol, orders named by user and the user's own number.
#[derive(Default)]
struct Venue {
    books: BTreeMap<String, Book>,
    orders: BTreeMap<(u64, u64), Placed>,
    output: String,
}

struct Placed {
    key: u64,
    symbol: String,
    side: Side,
}

impl Venue {
    fn run(&mut self, input: &str) -> Option<()> {
        let words: Vec<&str> = input.split(", ").collect();
        match words.as_slice() {
            ["N", user, symbol, price, quantity, side, number] => {
                let name = (user.parse().ok()?, number.parse().ok()?);
                let side = if *side == "B" { Side::Buy } else { Side::Sell };
                self.place(name, symbol, side, price.parse().ok()?, quantity.parse().ok()?)
            }
            ["C", user, number] => self.cancel((user.parse().ok()?, number.parse().ok()?)),
            ["F"] => {
                self.books.clear();
                self.orders.clear();
                Some(())
            }
            _ => None,
        }
    }

    fn place(&mut self, name: (u64, u64), symbol: &str, side: Side, price: i64, quantity: u64) -> Option<()> {
        let key = u64::try_from(self.orders.len()).ok()?;
        self.orders.insert(name, Placed { key, symbol: symbol.to_owned(), side });
        let (kind, time_in_force) = match price {
            0 => (OrderType::Market, TimeInForce::Ioc),
            _ => (OrderType::Limit, TimeInForce::Gtc),
        };
        let order = NewOrder {
            key,
            owner: name.0,
            side,
            kind,
            time_in_force,
            post_only: false,
            price,
            quantity,
            budget: i128::MAX,
            maker_bps: 0,
            taker_bps: 0,
        };
        self.act(name, symbol, side, |book, actions| book.submit(&order, SelfTrade::ExpireIncoming, actions).ok())
    }

    fn cancel(&mut self, name: (u64, u64)) -> Option<()> {
        let placed = self.orders.get(&name)?;
        let (key, symbol, side) = (placed.key, placed.symbol.clone(), placed.side);
        self.act(name, &symbol, side, |book, actions| {
            book.cancel(key, actions);
            Some(())
        })
    }

    /// Acknowledges, lets the book act, tells trades and what changed at the top, `side` first.
    fn act(
        &mut self,
        (user, number): (u64, u64),
        symbol: &str,
        side: Side,
        command: impl FnOnce(&mut Book, &mut Vec<Action>) -> Option<()>,
    ) -> Option<()> {
        let book = self.books.entry(symbol.to_owned()).or_default();
        let sides = [side, side.opposite()];
        let before = sides.map(|side| top(book, side));
        let mut actions = Vec::new();
        command(book, &mut actions)?;
        let after = sides.map(|side| top(book, side));
        writeln!(self.output, "A, {user}, {number}").ok()?;
        for action in &actions {
            if let Action::Trade(trade) = action {
                self.tell(trade)?;
            }
        }
        for (before, after) in before.iter().zip(&after) {
            if before != after {
                writeln!(self.output, "{after}").ok()?;
            }
        }
        Some(())
    }

    fn tell(&mut self, trade: &Trade) -> Option<()> {
        let name = |key| self.orders.iter().find(|(_, placed)| placed.key == key).map(|(name, _)| *name);
        let (maker, taker) = (name(trade.maker.key)?, name(trade.taker.key)?);
        let (buy, sell) = match trade.taker_side {
            Side::Buy => (taker, maker),
            Side::Sell => (maker, taker),
        };
        let Trade { price, quantity, .. } = trade;
        writeln!(self.output, "T, {}, {}, {}, {}, {price}, {quantity}", buy.0, buy.1, sell.0, sell.1).ok()
    }
}

fn top(book: &Book, side: Side) -> String {
    let letter = match side {
        Side::Buy => 'B',
        Side::Sell => 'S',
    };
    match book.best(side) {
        Some(level) => format!("B, {letter}, {}, {}", level.price, level.quantity),
        None => format!("B, {letter}, -, -"),
    }
}

#[test]
fn every_scenario_gives_exactly_its_lines() {
    let mut scenarios = 0;
    for scenario in SCENARIOS.split("\n= ").skip(1) {
        let (title, lines) = scenario.split_once('\n').unwrap_or((scenario, ""));
        let (mut venue, mut expected) = (Venue::default(), String::new());
        for line in lines.lines().filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some(("<", input)) => assert_eq!(venue.run(input), Some(()), "{title}: {input}"),
                Some((">", output)) => expected.extend([output, "\n"]),
                _ => panic!("{title}: what is {line}?"),
            }
        }
        assert_eq!(venue.output, expected, "{title}");
        scenarios += 1;
    }
    assert_eq!(scenarios, 16);
}
