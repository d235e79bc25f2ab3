//! Orders found by the names that their client gave them, and pages whose filter leaves almost everything out.

use orderledger_domain::account::PostingReason;
use orderledger_domain::ids::ClientOrderId;
use orderledger_domain::order::Status;
use orderledger_store::Error;
use orderledger_store::views::Direction;

use super::*;
use crate::settlement::queries::{
    Listing, OrdersFilter, Page, Past, PostingsFilter, StatusFilter, Told, fills, orders, orders_then, postings_where,
};
use crate::settlement::rows::OrderRow;

fn name(text: &str) -> Option<ClientOrderId> {
    ClientOrderId::new(text).ok()
}

/// Orders of two users with names of every kind: none, of one's own, the same for several, the beginning of another, another
/// user's; open and closed, of two symbols, and some that intake has not judged yet.
fn named_orders() -> Log {
    let mut log = Log::default();
    let order = |of: &str, n: u64| {
        let mut created = limit(of, &format!("o{n}"), Side::Buy, 1, "1");
        created.client_order_id =
            ["", "c", "c1", "c10", "c"].get(usize::try_from(n % 5).unwrap()).and_then(|it| name(it));
        if n.is_multiple_of(3) {
            created.symbol = Symbol::new("MSFT").unwrap();
        }
        created
    };
    for of in ["u", "u1"] {
        log.fund(of, "USD", "1000");
    }
    for n in 0..40 {
        let of = if n % 4 == 1 { "u1" } else { "u" };
        log.place(&order(of, n), "1", (0, 0));
        if n.is_multiple_of(2) {
            log.book(canceled(&order(of, n), 1));
        }
    }
    let poor = order("u", 44);
    log.ask(Event::OrderCreated(poor.clone()));
    let rejected = log.reject(&poor, Rejection::InsufficientFunds);
    log.answer(rejected);
    for n in [45, 46, 49, 49] {
        log.ask(Event::OrderCreated(order("u", n)));
    }
    log
}

/// Every row of a listing, page by page.
fn whole<T, C: Copy + Ord>(page: Page<C>, mut list: impl FnMut(&Page<C>) -> Listing<T, C>) -> Vec<T> {
    let (mut page, mut rows) = (page, Vec::new());
    loop {
        let listing = list(&page);
        rows.extend(listing.rows);
        let Some(next) = listing.next else { return rows };
        page.after = Some(next);
    }
}

fn every_page() -> impl Iterator<Item = Page<u64>> {
    [1, 2, 100].into_iter().flat_map(|limit| {
        [Direction::Ascending, Direction::Descending].map(|direction| Page { after: None, limit, direction })
    })
}

fn every_filter() -> Vec<OrdersFilter> {
    let (mut filters, msft) = (Vec::new(), Symbol::new("MSFT").ok());
    for client_order_id in ["c", "c1", "c10", "x"].map(name) {
        for status in [
            StatusFilter::Any,
            StatusFilter::Open,
            StatusFilter::Closed,
            StatusFilter::Is(Status::PendingNew),
            StatusFilter::Is(Status::New),
            StatusFilter::Is(Status::Rejected),
        ] {
            for symbol in [None, msft] {
                filters.push(OrdersFilter { status, symbol, client_order_id: client_order_id.clone() });
            }
        }
    }
    filters
}

/// Those of all rows that have the name.
fn with_name(rows: Vec<OrderRow>, filter: &OrdersFilter) -> Vec<OrderRow> {
    rows.into_iter().filter(|row| row.order.client_order_id == filter.client_order_id).collect()
}

#[test]
fn a_name_finds_exactly_the_orders_that_have_it_in_every_order_and_page() {
    let reader = named_orders().look();
    let mut found_most = 0;
    for filter in every_filter() {
        let all = OrdersFilter { client_order_id: None, ..filter.clone() };
        for (of, page) in every_page().flat_map(|page| [("u", page), ("u1", page)]) {
            let list = |filter: &OrdersFilter, page: &Page<u64>| orders(&reader, &user(of), filter, page).unwrap();
            let due = with_name(whole(page, |page| list(&all, page)), &filter);
            let found = whole(page, |page| list(&filter, page));
            assert_eq!(found, due, "{of} {filter:?} {page:?}");
            found_most = found_most.max(found.len());
        }
    }
    assert_eq!(found_most, 15);
}

#[test]
fn a_name_finds_orders_as_they_were_at_any_position_and_moment() {
    let log = named_orders();
    let reader = log.look();
    let mut tell = |offset: u64| -> Result<Told, Error> {
        let read = log.records.iter().find(|read| read.position.offset == offset).unwrap();
        let envelope = read.envelope.as_ref().unwrap();
        let by_intake = read.stamp.is_none_or(|stamp| stamp.cause.position.topic == Topic::Orders);
        Ok(Told { event: envelope.event.clone().unwrap(), time: envelope.timestamp, by_intake })
    };
    for read in log.records.iter().step_by(9) {
        let moments = [Past::After(read.position.offset), Past::Happened(read.envelope.as_ref().unwrap().timestamp)];
        for (past, filter) in moments.into_iter().flat_map(|past| every_filter().into_iter().map(move |it| (past, it)))
        {
            let all = OrdersFilter { client_order_id: None, ..filter.clone() };
            let mut list = |filter: &OrdersFilter, page: &_| {
                orders_then(&reader, &user("u"), filter, past, page, &mut tell).unwrap()
            };
            for page in every_page().filter(|page| page.limit == 2) {
                let due = with_name(whole(page, |page| list(&all, page)), &filter);
                assert_eq!(whole(page, |page| list(&filter, page)), due, "{past:?} {filter:?} {page:?}");
            }
        }
    }
}

/// More rows that no filter wants than a page passes over.
fn long() -> Log {
    let mut log = Log::default();
    log.fund("u", "USD", "1000");
    let mut first = limit("u", "first", Side::Buy, 1, "1");
    first.client_order_id = name("mine");
    log.place(&first, "1", (0, 0));
    for n in 0..600 {
        log.place(&limit("u", &format!("o{n}"), Side::Buy, 1, "1"), "1", (0, 0));
    }
    log
}

#[test]
fn a_name_is_found_among_many_orders_without_looking_at_the_others() {
    let filter = OrdersFilter { client_order_id: name("mine"), ..OrdersFilter::default() };
    let listing = orders(&long().look(), &user("u"), &filter, &Page::newest(10)).unwrap();
    assert_eq!(listing.rows.iter().map(|row| row.order.order_id.as_str()).collect::<Vec<_>>(), ["first"]);
    assert_eq!(listing.next, None);
}

#[test]
fn a_page_that_finds_almost_nothing_ends_and_says_where_to_go_on() {
    let mut log = long();
    log.book(canceled(&limit("u", "first", Side::Buy, 1, "1"), 1));
    let reader = log.look();
    let msft = OrdersFilter { symbol: Symbol::new("MSFT").ok(), ..OrdersFilter::default() };
    let page = orders(&reader, &user("u"), &msft, &Page::newest(10)).unwrap();
    assert!(page.rows.is_empty() && page.next.is_some(), "{page:?}");
    let released = PostingsFilter { reason: Some(PostingReason::Deposit), ..PostingsFilter::default() };
    for direction in [Direction::Ascending, Direction::Descending] {
        let (mut pages, page) = (0, Page { after: None, limit: 10, direction });
        let rows = whole(page, |page| {
            pages += 1;
            postings_where(&reader, &user("u"), &released, page).unwrap()
        });
        // 1,205 lines, of which one is wanted; a page passes over 500.
        assert_eq!((rows.len(), pages), (1, 3), "{direction:?}");
    }
    let past = Past::Happened(Timestamp::from_millis(0));
    let then = PostingsFilter { past: Some(past), ..PostingsFilter::default() };
    let page = Page::newest(10);
    assert_eq!(whole(page, |page| postings_where(&reader, &user("u"), &then, page).unwrap()), []);
    assert!(fills(&reader, &user("u"), None, &Page::newest(10)).unwrap().next.is_none());
}
