//! Where the resting order gives way: what the rules say from version 2 on.

use super::super::{Book, NewOrder, SelfTrade};
use super::{limit, line, market};
use crate::terms::Side::{Buy, Sell};
use crate::terms::TimeInForce;

/// The orders' lines, after those of the resting ones; then `amend`, if there is one.
fn check(resting: &[NewOrder], incoming: NewOrder, amend: Option<(u64, (i64, u64))>, expected: &[&str]) {
    let (mut book, mut actions) = (Book::new(), Vec::new());
    for order in resting {
        assert_eq!(book.submit(order, SelfTrade::ExpireResting, &mut actions), Ok(()));
    }
    actions.clear();
    assert_eq!(book.submit(&incoming, SelfTrade::ExpireResting, &mut actions), Ok(()));
    if let Some((key, terms)) = amend {
        assert_eq!(book.amend(key, terms, SelfTrade::ExpireResting, &mut actions), Ok(()));
    }
    let lines: Vec<String> = actions.iter().map(line).collect();
    assert_eq!(lines, expected);
}

/// Another's at 10, an own one at 10 and at 11, another's at 11 and at 12.
fn ladder() -> [NewOrder; 5] {
    [
        limit(1, 2, Sell, 10, 3),
        limit(2, 1, Sell, 10, 4),
        limit(3, 1, Sell, 11, 5),
        limit(4, 2, Sell, 11, 3),
        limit(5, 2, Sell, 12, 3),
    ]
}

fn fok(order: NewOrder) -> NewOrder {
    NewOrder { time_in_force: TimeInForce::Fok, ..order }
}

#[test]
fn the_resting_order_expires_and_the_incoming_one_goes_on() {
    check(
        &ladder(),
        limit(9, 1, Buy, 11, 9),
        None,
        &[
            "trade 1: 3 at 10, 9 pays 0 leaves 6, 1 pays 0 leaves 0",
            "2 expires with 4: self_trade",
            "3 expires with 5: self_trade",
            "trade 2: 3 at 11, 9 pays 0 leaves 3, 4 pays 0 leaves 0",
            "9 rests with 3",
        ],
    );
}

#[test]
fn an_own_order_that_is_not_met_stays() {
    check(&ladder(), limit(9, 1, Buy, 10, 3), None, &["trade 1: 3 at 10, 9 pays 0 leaves 0, 1 pays 0 leaves 0"]);
    check(
        &ladder(),
        limit(9, 1, Buy, 10, 4),
        None,
        &["trade 1: 3 at 10, 9 pays 0 leaves 1, 1 pays 0 leaves 0", "2 expires with 4: self_trade", "9 rests with 1"],
    );
}

#[test]
fn fok_counts_others_alone_and_expires_own_orders_only_if_it_is_filled() {
    check(&ladder(), fok(limit(9, 1, Buy, 11, 7)), None, &["9 expires with 7: fok_unfillable"]);
    check(
        &ladder(),
        fok(limit(9, 1, Buy, 11, 6)),
        None,
        &[
            "trade 1: 3 at 10, 9 pays 0 leaves 3, 1 pays 0 leaves 0",
            "2 expires with 4: self_trade",
            "3 expires with 5: self_trade",
            "trade 2: 3 at 11, 9 pays 0 leaves 0, 4 pays 0 leaves 0",
        ],
    );
    check(&ladder(), fok(limit(9, 1, Buy, 11, 3)), None, &["trade 1: 3 at 10, 9 pays 0 leaves 0, 1 pays 0 leaves 0"]);
}

#[test]
fn a_fok_market_buy_pays_for_others_alone() {
    let fees = |order| NewOrder { taker_bps: 1000, ..order };
    // 3 × 10 + 3 × 11 = 63, and 7 of fees.
    check(&ladder(), fok(fees(market(9, 1, Buy, 6, 69))), None, &["9 expires with 6: fok_unfillable"]);
    check(
        &ladder(),
        fok(fees(market(9, 1, Buy, 6, 70))),
        None,
        &[
            "trade 1: 3 at 10, 9 pays 3 leaves 3, 1 pays 0 leaves 0",
            "2 expires with 4: self_trade",
            "3 expires with 5: self_trade",
            "trade 2: 3 at 11, 9 pays 4 leaves 0, 4 pays 0 leaves 0",
        ],
    );
}

#[test]
fn a_market_buy_expires_no_order_that_it_could_not_have_paid() {
    check(
        &ladder(),
        market(9, 1, Buy, 9, 40),
        None,
        &[
            "trade 1: 3 at 10, 9 pays 0 leaves 6, 1 pays 0 leaves 0",
            "2 expires with 4: self_trade",
            "9 expires with 6: budget_spent",
        ],
    );
}

#[test]
fn a_post_only_order_is_rejected_by_its_owners_own() {
    let post_only = NewOrder { post_only: true, ..limit(9, 1, Buy, 10, 1) };
    check(&ladder()[1..2], post_only, None, &["9 rejected: post_only_would_cross"]);
}

#[test]
fn an_amend_that_comes_anew_expires_its_owners_others() {
    check(
        &ladder(),
        limit(9, 1, Buy, 9, 4),
        Some((9, (11, 4))),
        &[
            "9 rests with 4",
            "9 is now 4 at 11, leaves 4",
            "trade 1: 3 at 10, 9 pays 0 leaves 1, 1 pays 0 leaves 0",
            "2 expires with 4: self_trade",
            "3 expires with 5: self_trade",
            "trade 2: 1 at 11, 9 pays 0 leaves 0, 4 pays 0 leaves 2",
        ],
    );
}
