//! Reading the past: balances as of any position, postings and fills page by page.

use orderledger_store::views::Direction;

use super::*;
use crate::settlement::queries::{Page, balances_as_of, fills, postings};

/// A user with several blocks of postings and fills, another beside it.
pub(super) fn busy() -> Log {
    let mut log = Log::default();
    log.fund("u", "USD", "100000");
    log.fund("other", AAPL, "1000");
    for n in 0..70_u64 {
        let buy = limit("u", &format!("b{n}"), Side::Buy, 3, "10");
        let sell = limit("other", &format!("s{n}"), Side::Sell, 2, "9");
        log.place(&buy, "30.06", (5, 20));
        log.place(&sell, "2", (5, 20));
        log.fill(&buy, &format!("AAPL-{}", 2 * n + 1), (1, "10"), "0.005", Liquidity::Maker, (1, 2));
        log.fill(&sell, &format!("AAPL-{}", 2 * n + 1), (1, "10"), "0.02", Liquidity::Taker, (1, 1));
        log.fill(&buy, &format!("AAPL-{}", 2 * n + 2), (1, "10"), "0.005", Liquidity::Maker, (2, 1));
        log.fill(&sell, &format!("AAPL-{}", 2 * n + 2), (1, "10"), "0.02", Liquidity::Taker, (2, 0));
        log.book(canceled(&buy, 1));
    }
    log
}

#[test]
fn a_balance_as_of_any_position_is_what_the_fold_had_there() {
    let log = busy();
    let (whole, _) = fold(&log.records, 50, false).unwrap();
    let reader = whole.reader().unwrap();
    let view = empty_view();
    let (mut state, mut settlement) = (PartitionState::default(), Settlement::default());
    for read in &log.records {
        let arrived = state.take(read).unwrap();
        settlement.apply(&view, read, arrived).unwrap();
        let mut changes = view.changes();
        settlement.write_rows(&view, &mut changes).unwrap();
        view.commit(changes, "").unwrap();
        let offset = read.position.offset;
        for of in ["u", "other"] {
            let then = crate::settlement::queries::balances(&view.reader().unwrap(), &user(of)).unwrap();
            let then = then.map_or_else(String::new, |balances| text(&balances.account));
            let asked = balances_as_of(&reader, &user(of), offset).unwrap().unwrap();
            assert_eq!(text(&asked.account), then, "{of} at {offset}");
        }
    }
    assert_eq!(balances_as_of(&reader, &user("nobody"), 100).unwrap(), None);
}

#[test]
fn every_postings_running_balance_is_the_balance_as_of_its_event() {
    let log = busy();
    let reader = log.look();
    let rows = postings(&reader, &user("u"), None, &Page::newest(10_000)).unwrap().rows;
    assert!(rows.len() > 400);
    for pair in rows.windows(2).filter(|pair| pair[0].position != pair[1].position) {
        let before = &pair[1];
        let then = balances_as_of(&reader, &user("u"), before.position.offset).unwrap().unwrap();
        assert_eq!(then.account.balance(before.asset), before.balance, "{before:?}");
    }
    let newest = &rows[0];
    assert_eq!(
        crate::settlement::queries::balances(&reader, &user("u")).unwrap().unwrap().account.balance(newest.asset),
        newest.balance
    );
}

#[test]
fn pages_of_any_size_give_the_whole_listing_in_both_directions() {
    let log = busy();
    let reader = log.look();
    let asset = Some(Asset::USD);
    let all_postings = postings(&reader, &user("u"), asset, &Page::newest(10_000)).unwrap().rows;
    let all_fills = fills(&reader, &user("u"), None, &Page::newest(10_000)).unwrap().rows;
    assert_eq!(all_fills.len(), 140);
    for limit in [1, 7, 64, 1000] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut page = Page { after: None, limit, direction };
            let mut lines = Vec::new();
            loop {
                let listing = postings(&reader, &user("u"), asset, &page).unwrap();
                lines.extend(listing.rows);
                let Some(next) = listing.next else { break };
                page.after = Some(next);
            }
            let mut page = Page { after: None, limit, direction };
            let mut legs = Vec::new();
            loop {
                let listing = fills(&reader, &user("u"), None, &page).unwrap();
                legs.extend(listing.rows);
                let Some(next) = listing.next else { break };
                page.after = Some(next);
            }
            if direction == Direction::Ascending {
                lines.reverse();
                legs.reverse();
            }
            assert_eq!(lines, all_postings, "{limit} {direction:?}");
            assert_eq!(legs, all_fills, "{limit} {direction:?}");
        }
    }
}

#[test]
fn the_fills_of_one_order_are_found_among_all_others() {
    let reader = busy().look();
    for direction in [Direction::Ascending, Direction::Descending] {
        for n in [0, 35, 69] {
            let first = Page { after: None, limit: 1, direction };
            let one = fills(&reader, &user("u"), Some(&id(&format!("b{n}"))), &first).unwrap();
            let rest =
                fills(&reader, &user("u"), Some(&id(&format!("b{n}"))), &Page { after: one.next, ..first }).unwrap();
            let mut trades: Vec<_> = one.rows.iter().chain(&rest.rows).map(|row| row.fill.trade_id.clone()).collect();
            if direction == Direction::Descending {
                trades.reverse();
            }
            assert_eq!(trades, [format!("AAPL-{}", 2 * n + 1), format!("AAPL-{}", 2 * n + 2)]);
            assert_eq!(rest.next, None);
        }
    }
    assert_eq!(fills(&reader, &user("u"), Some(&id("none")), &Page::newest(10)).unwrap().rows, []);
    assert_eq!(fills(&reader, &user("nobody"), None, &Page::newest(10)).unwrap().rows, []);
}

/// Used by the test of batches too.
pub(super) fn records() -> Vec<Read> {
    busy().records
}
