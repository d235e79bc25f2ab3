//! What the market says of a past moment is what it said then.

use orderledger_domain::timestamp::Timestamp;
use orderledger_store::views::Direction;
use proptest::prelude::*;

use super::{Given, Log, all_pages, flow, symbol};
use crate::market::interval::Interval;
use crate::market::queries::{self, Until, Within};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_past_moment_of_a_market_is_the_market_of_then(trades in flow(400), cut in 0..400_usize, at in 0..3_usize) {
        let all = Log::of(&trades).fold(50, false).reader().unwrap();
        let (until, then) = moment(&trades, cut, at);
        let then = Log::of(then).fold(50, false).reader().unwrap();
        prop_assert_eq!(
            queries::day_until(&all, symbol(), until).unwrap(),
            queries::day(&then, symbol()).unwrap()
        );
        for direction in [Direction::Ascending, Direction::Descending] {
            let within = Within::default();
            let tape = |page| queries::trades_until(&all, symbol(), within, Some(until), page).unwrap();
            let due = |page| queries::trades(&then, symbol(), within, page).unwrap();
            prop_assert_eq!(all_pages(direction, tape), all_pages(direction, due));
            for interval in Interval::ALL {
                for within in [within, around(&trades, interval)] {
                    let candles =
                        |page| queries::candles_until(&all, symbol(), interval, within, until, page).unwrap();
                    let due = |page| queries::candles(&then, symbol(), interval, within, page).unwrap();
                    prop_assert_eq!(all_pages(direction, candles), all_pages(direction, due));
                }
            }
        }
    }
}

/// A moment, and the trades up to it.
fn moment(trades: &[Given], cut: usize, at: usize) -> (Until, &[Given]) {
    let cut = cut % trades.len();
    match at {
        0 => (Until::Nothing, &[]),
        // Each record stands at twice its number; the place behind it is a hole.
        1 => (Until::Offset(u64::try_from(cut * 2 + cut % 2).unwrap()), &trades[..=cut]),
        _ => {
            let by = trades[cut].3;
            let then = trades.iter().take_while(|trade| trade.3 <= by).count();
            (Until::Happened(Timestamp::from_micros(by)), &trades[..then])
        }
    }
}

/// A window whose edges are candles' own.
fn around(trades: &[Given], interval: Interval) -> Within {
    let open = |trade: &Given| interval.open_time(Timestamp::from_micros(trade.3));
    Within { from: Some(open(&trades[trades.len() / 4])), to: Some(open(&trades[trades.len() / 2])) }
}
