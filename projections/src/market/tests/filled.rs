//! Candles without gaps, against a naive walk from interval to interval.

use orderledger_domain::money::Price;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::views::Direction;
use proptest::prelude::*;

use super::{Given, Log, flow, naive, page, symbol};
use crate::market::filled::{Filled, filled_candles};
use crate::market::interval::Interval;
use crate::market::queries::{Page, Within};

const MINUTE: i64 = 60_000_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(minute * MINUTE)
}

#[test]
fn a_gap_is_filled_with_the_price_before_it_whatever_page_it_lies_across() {
    let trades = [Given("AAPL", 10, 1, 10 * MINUTE + 5), Given("AAPL", 30, 2, 16 * MINUTE)];
    let reader = Log::of(&trades).fold(9, false).reader().unwrap();
    let ask = |within, page: Page<Timestamp>| {
        filled_candles(&reader, symbol(), Interval::Minute, within, at(18), page).unwrap()
    };
    let units = |(open, row): &(Timestamp, Filled)| {
        let traded = matches!(row, Filled::Traded(_));
        (open.micros() / MINUTE, row.close().units(), traded)
    };
    let expected: Vec<(i64, i64, bool)> =
        (10..19).map(|minute| (minute, if minute < 16 { 10 } else { 30 }, minute == 10 || minute == 16)).collect();
    for direction in [Direction::Ascending, Direction::Descending] {
        for limit in 1..12 {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let listed = ask(Within::default(), page(direction, after, limit));
                assert!(listed.rows.len() <= limit && (listed.next.is_none() || listed.rows.len() == limit));
                found.extend(listed.rows.iter().map(units));
                after = listed.next;
                if after.is_none() {
                    break;
                }
            }
            if direction == Direction::Descending {
                found.reverse();
            }
            assert_eq!(found, expected, "{direction:?} {limit}");
        }
    }
    // Both ends are of the times at which intervals open.
    let cases = [
        ((Some(at(12)), Some(at(14))), vec![12, 13]),
        ((Some(Timestamp::from_micros(12 * MINUTE + 1)), Some(Timestamp::from_micros(14 * MINUTE + 1))), vec![13, 14]),
        ((None, Some(at(11))), vec![10]),
        ((None, Some(at(10))), vec![]),
        ((Some(at(18)), Some(at(99))), vec![18]),
        ((Some(at(19)), None), vec![]),
    ];
    for ((from, to), expected) in cases {
        let listed = ask(Within { from, to }, page(Direction::Ascending, None, 99));
        let opens: Vec<i64> = listed.rows.iter().map(|row| units(row).0).collect();
        assert_eq!(opens, expected, "{from:?} {to:?}");
    }
}

#[test]
fn a_symbol_that_never_traded_has_none_and_a_late_clock_hides_none() {
    let reader = Log::of(&[Given("MSFT", 10, 1, 5 * MINUTE)]).fold(9, false).reader().unwrap();
    let of = |name: &str, now| {
        let symbol = orderledger_domain::ids::Symbol::new(name).unwrap();
        let page = page(Direction::Ascending, None, 9);
        filled_candles(&reader, symbol, Interval::Minute, Within::default(), now, page).unwrap().rows.len()
    };
    assert_eq!((of("AAPL", at(9)), of("MSFT", at(9)), of("MSFT", at(0))), (0, 5, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn filled_candles_are_those_of_a_naive_walk(trades in flow(30), later in 0..100_000_000_000_i64) {
        let reader = Log::of(&trades).fold(50, false).reader().unwrap();
        let own: Vec<Given> = trades.into_iter().filter(|trade| trade.0 == "AAPL").collect();
        let now = own.last().map_or(0, |trade| trade.3) + later;
        for interval in Interval::ALL {
            let slot = |micros: i64| micros / interval.micros();
            let mut expected = Vec::new();
            let mut price = None;
            for number in own.first().map_or(1, |first| slot(first.3))..=own.first().map_or(0, |_| slot(now)) {
                let inside: Vec<Given> = own.iter().copied().filter(|trade| slot(trade.3) == number).collect();
                let row = naive(&inside).map_or_else(|| Filled::Empty(price.unwrap_or(Price::MIN)), Filled::Traded);
                price = Some(row.close());
                expected.push((Timestamp::from_micros(number * interval.micros()), row));
            }
            for direction in [Direction::Ascending, Direction::Descending] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = page(direction, after, 97);
                    let listed = filled_candles(&reader, symbol(), interval, Within::default(), Timestamp::from_micros(now), page).unwrap();
                    found.extend(listed.rows);
                    after = listed.next;
                    if after.is_none() {
                        break;
                    }
                }
                if direction == Direction::Descending {
                    found.reverse();
                }
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
