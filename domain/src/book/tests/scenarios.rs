//! One rule each: the commands, and every line that must come of them.

use super::super::{Book, NewOrder, SelfTrade, Unusable};
use super::{limit, line, market};
use crate::terms::Side::{Buy, Sell};
use crate::terms::{OrderType, TimeInForce};

enum Command {
    Submit(NewOrder),
    Cancel(u64),
    Amend(u64, i64, u64),
    CloseSession,
}

use Command::{Amend, Cancel, CloseSession, Submit};

fn check(commands: &[Command], expected: &[&str]) {
    check_with(SelfTrade::ExpireIncoming, commands, expected);
}

fn check_with(self_trade: SelfTrade, commands: &[Command], expected: &[&str]) {
    let (mut book, mut actions) = (Book::new(), Vec::new());
    for command in commands {
        match command {
            Submit(order) => assert_eq!(book.submit(order, self_trade, &mut actions), Ok(())),
            Cancel(key) => book.cancel(*key, &mut actions),
            Amend(key, price, total) => {
                assert_eq!(book.amend(*key, (*price, *total), self_trade, &mut actions), Ok(()))
            }
            CloseSession => book.close_session(&mut actions),
        }
    }
    let lines: Vec<String> = actions.iter().map(line).collect();
    assert_eq!(lines, expected);
}

fn day(order: NewOrder) -> Command {
    Submit(NewOrder { time_in_force: TimeInForce::Day, ..order })
}

fn ioc(order: NewOrder) -> Command {
    Submit(NewOrder { time_in_force: TimeInForce::Ioc, ..order })
}

fn fok(order: NewOrder) -> Command {
    Submit(NewOrder { time_in_force: TimeInForce::Fok, ..order })
}

fn post_only(order: NewOrder) -> Command {
    Submit(NewOrder { post_only: true, ..order })
}

#[test]
fn the_best_price_trades_first_then_the_earliest() {
    check(
        &[
            Submit(limit(1, 1, Sell, 11, 5)),
            Submit(limit(2, 1, Sell, 10, 5)),
            Submit(limit(3, 1, Sell, 10, 5)),
            Submit(limit(4, 2, Buy, 11, 12)),
        ],
        &[
            "1 rests with 5",
            "2 rests with 5",
            "3 rests with 5",
            "trade 1: 5 at 10, 4 pays 0 leaves 7, 2 pays 0 leaves 0",
            "trade 2: 5 at 10, 4 pays 0 leaves 2, 3 pays 0 leaves 0",
            "trade 3: 2 at 11, 4 pays 0 leaves 0, 1 pays 0 leaves 3",
        ],
    );
}

#[test]
fn a_fee_is_rounded_up_once_over_all_fills() {
    let fees = |order| NewOrder { maker_bps: 10, taker_bps: 25, ..order };
    check(
        &[
            Submit(fees(limit(1, 1, Sell, 100, 2))),
            Submit(fees(limit(2, 2, Buy, 100, 1))),
            Submit(fees(limit(3, 2, Buy, 100, 1))),
        ],
        &[
            "1 rests with 2",
            "trade 1: 1 at 100, 2 pays 1 leaves 0, 1 pays 1 leaves 1",
            "trade 2: 1 at 100, 3 pays 1 leaves 0, 1 pays 0 leaves 0",
        ],
    );
}

#[test]
fn an_own_order_stops_the_incoming_one() {
    check(
        &[
            Submit(limit(1, 2, Sell, 10, 3)),
            Submit(limit(2, 1, Sell, 10, 3)),
            Submit(limit(3, 2, Sell, 10, 3)),
            Submit(limit(4, 1, Buy, 10, 9)),
        ],
        &[
            "1 rests with 3",
            "2 rests with 3",
            "3 rests with 3",
            "trade 1: 3 at 10, 4 pays 0 leaves 6, 1 pays 0 leaves 0",
            "4 expires with 6: self_trade",
        ],
    );
}

#[test]
fn fok_counts_only_what_stands_before_the_first_own_order() {
    check(
        &[
            Submit(limit(1, 2, Sell, 10, 3)),
            Submit(limit(2, 1, Sell, 11, 3)),
            Submit(limit(3, 2, Sell, 11, 3)),
            fok(limit(4, 1, Buy, 11, 4)),
            fok(limit(5, 1, Buy, 11, 3)),
            fok(limit(6, 3, Buy, 11, 7)),
            fok(limit(7, 3, Buy, 11, 6)),
        ],
        &[
            "1 rests with 3",
            "2 rests with 3",
            "3 rests with 3",
            "4 expires with 4: fok_unfillable",
            "trade 1: 3 at 10, 5 pays 0 leaves 0, 1 pays 0 leaves 0",
            "6 expires with 7: fok_unfillable",
            "trade 2: 3 at 11, 7 pays 0 leaves 3, 2 pays 0 leaves 0",
            "trade 3: 3 at 11, 7 pays 0 leaves 0, 3 pays 0 leaves 0",
        ],
    );
}

#[test]
fn a_fok_market_buy_counts_its_budget_too() {
    let fees = |order| NewOrder { taker_bps: 1000, ..order };
    check(
        &[
            Submit(limit(1, 1, Sell, 10, 10)),
            fok(fees(market(2, 2, Buy, 10, 109))),
            fok(fees(market(3, 2, Buy, 10, 110))),
        ],
        &[
            "1 rests with 10",
            "2 expires with 10: fok_unfillable",
            "trade 1: 10 at 10, 3 pays 10 leaves 0, 1 pays 0 leaves 0",
        ],
    );
}

#[test]
fn a_market_order_takes_what_there_is() {
    check(
        &[
            Submit(limit(1, 1, Sell, 10, 5)),
            Submit(limit(2, 1, Sell, 20, 5)),
            Submit(market(3, 2, Buy, 9, 131)),
            Submit(market(4, 2, Buy, 9, 1000)),
            Submit(market(5, 2, Sell, 1, 0)),
        ],
        &[
            "1 rests with 5",
            "2 rests with 5",
            "trade 1: 5 at 10, 3 pays 0 leaves 4, 1 pays 0 leaves 0",
            "trade 2: 4 at 20, 3 pays 0 leaves 0, 2 pays 0 leaves 1",
            "trade 3: 1 at 20, 4 pays 0 leaves 8, 2 pays 0 leaves 0",
            "4 expires with 8: ioc_remainder",
            "5 expires with 1: ioc_remainder",
        ],
    );
}

#[test]
fn a_market_buy_ends_where_its_budget_does() {
    check(
        &[
            Submit(limit(1, 1, Sell, 10, 5)),
            Submit(limit(2, 1, Sell, 20, 5)),
            Submit(market(3, 2, Buy, 9, 129)),
            Submit(market(4, 2, Buy, 9, 19)),
        ],
        &[
            "1 rests with 5",
            "2 rests with 5",
            "trade 1: 5 at 10, 3 pays 0 leaves 4, 1 pays 0 leaves 0",
            "trade 2: 3 at 20, 3 pays 0 leaves 1, 2 pays 0 leaves 2",
            "3 expires with 1: budget_spent",
            "4 expires with 9: budget_spent",
        ],
    );
}

#[test]
fn post_only_never_takes() {
    check(
        &[
            Submit(limit(1, 1, Sell, 10, 5)),
            post_only(limit(2, 2, Buy, 10, 5)),
            post_only(limit(3, 2, Buy, 9, 5)),
            Amend(3, 10, 5),
            Amend(3, 8, 5),
            Amend(3, 8, 6),
        ],
        &[
            "1 rests with 5",
            "2 rejected: post_only_would_cross",
            "3 rests with 5",
            "amend of 3 rejected: post_only_would_cross",
            "3 is now 5 at 8, leaves 5",
            "3 rests with 5",
            "3 is now 6 at 8, leaves 6",
            "3 rests with 6",
        ],
    );
}

#[test]
fn fewer_shares_keep_the_place_and_more_lose_it() {
    check(
        &[
            Submit(limit(1, 1, Buy, 10, 5)),
            Submit(limit(2, 2, Buy, 10, 5)),
            Amend(1, 10, 4),
            Amend(1, 10, 4),
            ioc(limit(3, 3, Sell, 10, 1)),
            Amend(1, 10, 1),
            Amend(1, 10, 6),
            ioc(limit(4, 3, Sell, 10, 12)),
            Amend(1, 10, 9),
        ],
        &[
            "1 rests with 5",
            "2 rests with 5",
            "1 is now 4 at 10, leaves 4",
            "1 is now 4 at 10, leaves 4",
            "trade 1: 1 at 10, 3 pays 0 leaves 0, 1 pays 0 leaves 3",
            "amend of 1 rejected: below_filled",
            "1 is now 6 at 10, leaves 5",
            "1 rests with 5",
            "trade 2: 5 at 10, 4 pays 0 leaves 7, 2 pays 0 leaves 0",
            "trade 3: 5 at 10, 4 pays 0 leaves 2, 1 pays 0 leaves 0",
            "4 expires with 2: ioc_remainder",
            "amend of 1 rejected: order_closed",
        ],
    );
}

#[test]
fn an_amended_order_may_take_and_its_fees_go_on() {
    let fees = |order| NewOrder { maker_bps: 1, taker_bps: 9999, ..order };
    check(
        &[
            Submit(fees(limit(1, 1, Buy, 10, 9))),
            ioc(limit(2, 2, Sell, 10, 1)),
            Submit(limit(3, 2, Sell, 11, 2)),
            Submit(limit(4, 1, Sell, 12, 2)),
            Amend(1, 12, 9),
        ],
        &[
            "1 rests with 9",
            "trade 1: 1 at 10, 2 pays 0 leaves 0, 1 pays 1 leaves 8",
            "3 rests with 2",
            "4 rests with 2",
            "1 is now 9 at 12, leaves 8",
            "trade 2: 2 at 11, 1 pays 21 leaves 6, 3 pays 0 leaves 0",
            "1 expires with 6: self_trade",
        ],
    );
}

#[test]
fn a_session_close_takes_day_orders_in_the_order_of_their_arrival() {
    check(
        &[
            day(limit(5, 1, Buy, 9, 1)),
            day(limit(3, 1, Sell, 20, 1)),
            Submit(limit(4, 1, Buy, 10, 1)),
            day(limit(2, 1, Buy, 10, 2)),
            Amend(5, 8, 1),
            CloseSession,
            Cancel(2),
            Cancel(4),
        ],
        &[
            "5 rests with 1",
            "3 rests with 1",
            "4 rests with 1",
            "2 rests with 2",
            "5 is now 1 at 8, leaves 1",
            "5 rests with 1",
            "3 expires with 1: session_closed",
            "2 expires with 2: session_closed",
            "5 expires with 1: session_closed",
            "cancel of 2 rejected",
            "4 canceled with 1",
        ],
    );
}

#[test]
fn unusable_terms_change_nothing() {
    let (mut book, mut actions, self_trade) = (Book::new(), Vec::new(), SelfTrade::ExpireIncoming);
    let good = limit(1, 1, Buy, 10, 5);
    assert_eq!(book.submit(&good, self_trade, &mut actions), Ok(()));
    actions.clear();
    let before = book.image();
    let other = NewOrder { key: 2, ..good };
    for (order, expected) in [
        (good, Unusable::KeyRests),
        (NewOrder { price: 0, ..other }, Unusable::Price),
        (NewOrder { price: 10_000_000_001, ..other }, Unusable::Price),
        (NewOrder { quantity: 0, ..other }, Unusable::Quantity),
        (NewOrder { quantity: 100_000_000_001, ..other }, Unusable::Quantity),
        (NewOrder { kind: OrderType::Market, ..other }, Unusable::Price),
        (NewOrder { kind: OrderType::Market, price: 0, ..other }, Unusable::Terms),
        (NewOrder { post_only: true, time_in_force: TimeInForce::Ioc, ..other }, Unusable::Terms),
    ] {
        assert_eq!(book.submit(&order, self_trade, &mut actions), Err(expected));
    }
    assert_eq!(book.amend(1, (0, 5), self_trade, &mut actions), Err(Unusable::Price));
    assert_eq!(book.amend(1, (10, 0), self_trade, &mut actions), Err(Unusable::Quantity));
    assert_eq!(book.image(), before);
    assert_eq!(actions, []);
}
