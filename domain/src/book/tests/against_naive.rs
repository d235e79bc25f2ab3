//! Random commands give the same actions, levels and images on the fast book and on its specification.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{Action, Book, Level, NewOrder, Order, SelfTrade, naive};
use crate::terms::{OrderType, Side, TimeInForce};

#[derive(Clone, Debug)]
enum Command {
    Submit(NewOrder),
    Cancel(u64),
    Amend(u64, i64, u64),
    CloseSession,
    /// Both books from their images, as after a restart.
    Restart,
    /// Other rules from here on.
    Rules(SelfTrade),
}

/// Plain numbers, and ones near the bounds.
const SCALES: [(i64, u64); 4] = [(1, 1), (833_333_333, 1), (7, 2_000_000_000), (833_333_333, 2_500_000_000)];

fn order(scale: (i64, u64)) -> impl Strategy<Value = NewOrder> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let terms = prop_oneof![
        6 => Just((OrderType::Limit, TimeInForce::Gtc, false)),
        2 => Just((OrderType::Limit, TimeInForce::Day, false)),
        2 => Just((OrderType::Limit, TimeInForce::Day, true)),
        1 => Just((OrderType::Limit, TimeInForce::Gtc, true)),
        2 => Just((OrderType::Limit, TimeInForce::Ioc, false)),
        2 => Just((OrderType::Limit, TimeInForce::Fok, false)),
        2 => Just((OrderType::Market, TimeInForce::Ioc, false)),
        1 => Just((OrderType::Market, TimeInForce::Fok, false)),
    ];
    let rate = prop_oneof![Just(0u32), Just(7), Just(25), Just(999), Just(12_000), Just(u32::MAX)];
    let numbers = (0u64..5, 1i64..=12, 1u64..=40, 0i128..=500);
    (side, terms, numbers, rate.clone(), rate).prop_map(move |(side, terms, numbers, maker_bps, taker_bps)| {
        let (kind, time_in_force, post_only) = terms;
        let (owner, price, quantity, budget) = numbers;
        let price = if kind == OrderType::Market { 0 } else { price * scale.0 };
        let quantity = quantity * scale.1;
        let budget = budget * i128::from(scale.0) * i128::from(scale.1);
        let key = 0;
        NewOrder { key, owner, side, kind, time_in_force, post_only, price, quantity, budget, maker_bps, taker_bps }
    })
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::sample::select(SCALES.to_vec()).prop_flat_map(|scale| {
        let command = prop_oneof![
            60 => order(scale).prop_map(Command::Submit),
            12 => (1u64..60).prop_map(Command::Cancel),
            24 => (1u64..60, 1i64..=12, 1u64..=40).prop_map(move |(back, price, total)| {
                Command::Amend(back, price * scale.0, total * scale.1)
            }),
            1 => Just(Command::CloseSession),
            2 => Just(Command::Restart),
            1 => Just(Command::Rules(SelfTrade::ExpireIncoming)),
            2 => Just(Command::Rules(SelfTrade::ExpireResting)),
        ];
        prop::collection::vec(command, 1..160)
    })
}

/// What the actions say about each side's traded shares.
#[derive(Default)]
struct Totals {
    traded: u128,
    filled: BTreeMap<u64, u64>,
    last_book_seq: u64,
}

impl Totals {
    fn see(&mut self, actions: &[Action]) -> Result<(), TestCaseError> {
        for action in actions {
            if let Action::Trade(trade) = action {
                prop_assert_eq!(trade.book_seq, self.last_book_seq + 1);
                self.last_book_seq = trade.book_seq;
                self.traded += u128::from(trade.quantity);
                for leg in [trade.maker, trade.taker] {
                    let filled = self.filled.entry(leg.key).or_default();
                    *filled += trade.quantity;
                    prop_assert_eq!(*filled, leg.cum);
                    prop_assert!(leg.fee >= 0);
                }
            }
        }
        Ok(())
    }

    fn of_side(&self, sides: &BTreeMap<u64, Side>, side: Side) -> u128 {
        let of = |key| sides.get(key) == Some(&side);
        self.filled.iter().filter(|(key, _)| of(key)).map(|(_, filled)| u128::from(*filled)).sum()
    }
}

fn check_books(fast: &Book, naive: &naive::Book, totals: &Totals) -> Result<(), TestCaseError> {
    for side in [Side::Buy, Side::Sell] {
        let levels: Vec<Level> = fast.depth(side).collect();
        prop_assert_eq!(fast.best(side), levels.first().copied());
        prop_assert_eq!(levels, naive.depth(side));
    }
    let image = fast.image();
    prop_assert_eq!(&image, &naive.image());
    prop_assert_eq!(image.orders.len(), fast.len());
    for order in &image.orders {
        prop_assert_eq!(fast.get(order.key), Some(order));
        prop_assert!(order.cum < order.quantity);
        prop_assert_eq!(order.cum + order.leaves(), order.quantity);
        prop_assert_eq!(totals.filled.get(&order.key).copied().unwrap_or(0), order.cum);
    }
    let price = |order: &Level| order.price;
    if let (Some(bid), Some(ask)) =
        (fast.best(Side::Buy).as_ref().map(price), fast.best(Side::Sell).as_ref().map(price))
    {
        prop_assert!(bid < ask, "crossed");
    }
    Ok(())
}

fn run(commands: Vec<Command>) -> Result<(), TestCaseError> {
    let (mut fast, mut naive) = (Book::new(), naive::Book::new());
    let (mut totals, mut sides, mut last) = (Totals::default(), BTreeMap::new(), 0u64);
    let (mut actions, mut expected) = (Vec::new(), Vec::new());
    let mut rules = SelfTrade::ExpireIncoming;
    for command in commands {
        actions.clear();
        expected.clear();
        match command {
            Command::Submit(order) => {
                last += 1;
                let order = NewOrder { key: last, ..order };
                sides.insert(last, order.side);
                prop_assert_eq!(fast.submit(&order, rules, &mut actions), naive.submit(&order, rules, &mut expected));
            }
            Command::Cancel(back) => {
                fast.cancel(last.saturating_sub(back), &mut actions);
                naive.cancel(last.saturating_sub(back), &mut expected);
            }
            Command::Amend(back, price, total) => {
                let key = last.saturating_sub(back);
                prop_assert_eq!(
                    fast.amend(key, (price, total), rules, &mut actions),
                    naive.amend(key, (price, total), rules, &mut expected)
                );
            }
            Command::CloseSession => {
                fast.close_session(&mut actions);
                naive.close_session(&mut expected);
            }
            Command::Rules(other) => rules = other,
            Command::Restart => {
                fast = Book::from_image(&fast.image()).map_err(|error| TestCaseError::fail(error.to_string()))?;
                naive = naive::Book::from_image(&naive.image());
            }
        }
        prop_assert_eq!(&actions, &expected);
        totals.see(&actions)?;
        check_books(&fast, &naive, &totals)?;
    }
    prop_assert_eq!(totals.of_side(&sides, Side::Buy), totals.traded);
    prop_assert_eq!(totals.of_side(&sides, Side::Sell), totals.traded);
    let resting: Vec<&Order> = fast.orders();
    prop_assert!(resting.is_sorted_by_key(|order| order.arrival));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_fast_book_does_what_the_specification_does(commands in commands()) {
        run(commands)?;
    }
}
