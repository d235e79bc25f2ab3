//! How an order's row follows its events.

use orderledger_domain::event::EventType;
use orderledger_domain::order::Status;

use super::*;
use crate::settlement::queries::{
    OrdersFilter, Page, StatusFilter, order, order_events, orders, orders_by_id, request_outcome,
};
use crate::settlement::rows::{EVENTS_PER_BLOCK, OrderRow, Reason};

fn row(log: &Log, of: &OrderCreated) -> OrderRow {
    order(&log.look(), &of.user_id, &of.order_id).unwrap().unwrap()
}

/// Status, cumulative, open, reason, newest change.
fn state(log: &Log, of: &OrderCreated) -> (Status, u64, u64, Option<&'static str>, u64) {
    let row = row(log, of);
    let (cum, leaves) = (row.order.cum_quantity.shares(), row.order.leaves_quantity.shares());
    (row.order.status, cum, leaves, row.reason.map(Reason::as_str), row.changed)
}

#[test]
fn an_order_goes_from_new_to_canceled() {
    let (mut log, buy, sell) = super::money::trade();
    assert_eq!(state(&log, &buy), (Status::PartiallyFilled, 60, 40, None, 10));
    assert_eq!(state(&log, &sell), (Status::Filled, 60, 0, None, 11));
    let requested = log.ask_cancel(&buy);
    let granted = log.grant_cancel(&buy, 5);
    let outcome = |log: &Log| request_outcome(&log.look(), &row(log, &buy), requested).unwrap().unwrap();
    assert!(!outcome(&log).is_final);
    assert_eq!(state(&log, &buy).4, 10, "an accepted cancel has not changed the order yet");
    let end = log.book(canceled(&buy, 40));
    assert_eq!(state(&log, &buy), (Status::Canceled, 60, 0, None, end));
    assert!(outcome(&log).is_final && outcome(&log).rejected().is_none());
    let row = row(&log, &buy);
    assert_eq!((row.order.created_offset, row.judged, row.created_at), (5, 6, row.created_at));
    let events = order_events(&log.look(), &row).unwrap();
    let types: Vec<_> = events.iter().map(|event| (event.event_type.as_str(), event.offset, event.request)).collect();
    assert_eq!(
        types,
        [
            ("OrderAccepted", 6, Some(5)),
            ("OrderFilled", 10, None),
            ("CancelAccepted", granted, Some(requested)),
            ("OrderCanceled", end, Some(requested)),
        ]
    );
}

#[test]
fn requests_that_come_too_late_are_answered_without_changing_the_order() {
    let (mut log, _, sell) = super::money::trade();
    let before = state(&log, &sell);
    let by_intake = log.ask_cancel(&sell);
    log.answer(cancel_rejected(&sell, Rejection::OrderClosed));
    let by_book = log.ask_cancel(&sell);
    log.grant_cancel(&sell, 7);
    log.book(cancel_rejected(&sell, Rejection::OrderClosed));
    let amend = log.ask_amend(&sell, 10, "150");
    log.answer(amend_rejected(&sell, Rejection::OrderClosed, "0"));
    assert_eq!(state(&log, &sell), before);
    let row = row(&log, &sell);
    for requested in [by_intake, by_book, amend] {
        let outcome = request_outcome(&log.look(), &row, requested).unwrap().unwrap();
        assert!(outcome.is_final);
        assert_eq!(outcome.rejected(), Some(Rejection::OrderClosed));
    }
    assert_eq!(request_outcome(&log.look(), &row, 1).unwrap(), None);
    // A cancel of an order that never was is no row, yet it names the user.
    let unknown = limit("stranger", "x", Side::Buy, 1, "1");
    log.ask_cancel(&unknown);
    log.answer(cancel_rejected(&unknown, Rejection::UnknownOrder));
    assert_eq!(order(&log.look(), &unknown.user_id, &unknown.order_id).unwrap(), None);
    assert_eq!(balances(&log.look(), "stranger"), "");
}

#[test]
fn an_order_may_be_rejected_by_intake_or_by_the_book() {
    let mut log = Log::default();
    let poor = limit("b", "poor", Side::Buy, 1, "1");
    log.ask(Event::OrderCreated(poor.clone()));
    let rejected = log.reject(&poor, Rejection::InsufficientFunds);
    let judged = log.answer(rejected);
    assert_eq!(state(&log, &poor), (Status::Rejected, 0, 0, Some("insufficient_funds"), judged));
    log.fund("b", "USD", "100");
    let crossing = limit("b", "crossing", Side::Buy, 10, "1");
    log.place(&crossing, "10", (0, 0));
    assert_eq!(balances(&log.look(), "b"), "USD 100=90+10");
    let rejected = log.reject(&crossing, Rejection::PostOnlyWouldCross);
    let end = log.book(rejected);
    assert_eq!(state(&log, &crossing), (Status::Rejected, 0, 0, Some("post_only_would_cross"), end));
    assert_eq!(balances(&log.look(), "b"), "USD 100=100+0");
}

#[test]
fn an_expired_order_keeps_its_reason_and_releases_what_it_held() {
    let (mut log, buy, _) = super::money::trade();
    let end = log.book(expired(&buy, ExpireReason::SessionClosed, 40));
    assert_eq!(state(&log, &buy), (Status::Expired, 60, 0, Some("session_closed"), end));
    assert_eq!(balances(&log.look(), "buyer"), "AAPL 60=60+0, USD 10985=10985+0");
}

#[test]
fn the_mean_price_is_rounded_half_even() {
    for (fills, mean) in [
        (&[(1, "0.0001"), (1, "0.0002")][..], "0.0002"),
        (&[(1, "0.0002"), (1, "0.0003")], "0.0002"),
        (&[(2, "0.0001"), (1, "0.0002")], "0.0001"),
        (&[(1, "0.0001"), (2, "0.0002")], "0.0002"),
        (&[(60, "150.25")], "150.25"),
    ] {
        let mut log = Log::default();
        log.fund("s", AAPL, "60");
        let all: u64 = fills.iter().map(|(quantity, _)| quantity).sum();
        let sell = limit("s", "o", Side::Sell, all, "0.0001");
        log.place(&sell, &all.to_string(), (0, 0));
        let mut cum = 0;
        for (quantity, at) in fills {
            cum += quantity;
            log.fill(&sell, "AAPL-1", (*quantity, at), "0", Liquidity::Taker, (cum, all - cum));
        }
        assert_eq!(row(&log, &sell).average_price(), Some(amount(mean)), "{fills:?}");
    }
}

#[test]
fn an_order_with_very_many_events_keeps_them_in_blocks() {
    let many = u64::try_from(EVENTS_PER_BLOCK).unwrap() * 2 + 3;
    let mut log = Log::default();
    log.fund("s", AAPL, "1000");
    let sell = limit("s", "o", Side::Sell, 1000, "1");
    log.place(&sell, "1000", (0, 0));
    for n in 1..many {
        log.fill(&sell, &format!("AAPL-{n}"), (1, "1"), "0", Liquidity::Maker, (n, 1000 - n));
    }
    let reader = log.look();
    let row = order(&reader, &user("s"), &id("o")).unwrap().unwrap();
    assert_eq!(row.events.len(), 3);
    let events = order_events(&reader, &row).unwrap();
    assert_eq!(u64::try_from(events.len()).unwrap(), many);
    assert!(events.is_sorted_by_key(|event| event.offset));
    assert_eq!(events.first().unwrap().event_type, EventType::OrderAccepted);
}

#[test]
fn listings_are_filtered_and_paged_by_creation() {
    let mut log = Log::default();
    log.fund("u", "USD", "1000");
    let mut all = Vec::new();
    for n in 0..20 {
        let mut created = limit("u", &format!("o{n}"), Side::Buy, 1, "1");
        created.client_order_id = Some(orderledger_domain::ids::ClientOrderId::new(&format!("c{}", n % 4)).unwrap());
        if n % 3 == 0 {
            created.symbol = Symbol::new("MSFT").unwrap();
        }
        log.place(&created, "1", (0, 0));
        if n % 2 == 0 {
            log.book(canceled(&created, 1));
        }
        all.push(created);
    }
    let names = |filter: &OrdersFilter, page: Page<u64>| {
        let listing = orders(&log.look(), &user("u"), filter, &page).unwrap();
        let names: Vec<_> = listing.rows.iter().map(|row| row.order.order_id.to_string()).collect();
        (names.join(" "), listing.next)
    };
    let all = OrdersFilter::default();
    let (first, next) = names(&all, Page::newest(3));
    assert_eq!(first, "o19 o18 o17");
    let (second, _) = names(&all, Page { after: next, ..Page::newest(3) });
    assert_eq!(second, "o16 o15 o14");
    let ascending = Page { direction: orderledger_store::views::Direction::Ascending, ..Page::newest(2) };
    let (first, next) = names(&all, ascending);
    assert_eq!(first, "o0 o1");
    assert_eq!(names(&all, Page { after: next, ..ascending }).0, "o2 o3");
    let of = |status| OrdersFilter { status, ..OrdersFilter::default() };
    assert_eq!(names(&of(StatusFilter::Open), Page::newest(3)).0, "o19 o17 o15");
    assert_eq!(names(&of(StatusFilter::Closed), Page::newest(3)).0, "o18 o16 o14");
    assert_eq!(names(&of(StatusFilter::Is(Status::Canceled)), Page::newest(100)).0.split(' ').count(), 10);
    assert_eq!(names(&of(StatusFilter::Is(Status::Filled)), Page::newest(3)), (String::new(), None));
    let msft = OrdersFilter { symbol: Some(Symbol::new("MSFT").unwrap()), ..of(StatusFilter::Open) };
    // It goes on behind the last order that was passed over.
    assert_eq!(
        names(&msft, Page::newest(2)),
        ("o15 o9".to_owned(), Some(log.records.iter().find_map(|read| created_at(read, "o5")).unwrap()))
    );
    let client = OrdersFilter { client_order_id: orderledger_domain::ids::ClientOrderId::new("c3").ok(), ..all };
    assert_eq!(names(&client, Page::newest(100)), ("o19 o15 o11 o7 o3".to_owned(), None));
}

fn created_at(read: &Read, order: &str) -> Option<u64> {
    match read.envelope.as_ref().ok()?.event.as_ref().ok()? {
        Event::OrderCreated(created) if created.order_id == id(order) => Some(read.position.offset),
        _ => None,
    }
}

#[test]
fn two_users_may_use_the_same_id() {
    let mut log = Log::default();
    for of in ["u1", "u10"] {
        log.fund(of, "USD", "10");
        log.place(&limit(of, "same", Side::Buy, 1, "1"), "1", (0, 0));
    }
    log.place(&limit("u1", "sam", Side::Buy, 1, "1"), "1", (0, 0));
    let found = orders_by_id(&log.look(), &id("same")).unwrap();
    let users: Vec<_> = found.iter().map(|row| row.order.user_id.as_str()).collect();
    assert_eq!(users, ["u1", "u10"]);
    assert_eq!(orders_by_id(&log.look(), &id("other")).unwrap(), []);
}
