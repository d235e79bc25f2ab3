//! A past moment read from the rows of now is what the rows of then said.

use orderledger_domain::order::Status;
use orderledger_store::Error;
use orderledger_store::views::{Direction, ViewReader};

use super::history::busy;
use super::*;
use crate::settlement::queries::{
    self, OrdersFilter, Page, Past, PostingsFilter, StatusFilter, Told, explain, fills, fills_then, orders_then,
    postings, postings_where,
};
use crate::settlement::rows::OrderRow;

/// An order as answers show it: which requests are undecided isn't told of the past.
fn shown(rows: Vec<OrderRow>) -> Vec<OrderRow> {
    let bare = |row: OrderRow| OrderRow {
        events: Vec::new(),
        undecided_cancels: Default::default(),
        undecided_amends: Default::default(),
        ..row
    };
    rows.into_iter().map(bare).collect()
}

fn told(log: &Log, offset: u64) -> Result<Told, Error> {
    let read = log.records.iter().find(|read| read.position.offset == offset).unwrap();
    let envelope = read.envelope.as_ref().unwrap();
    let by_intake = read.stamp.is_none_or(|stamp| stamp.cause.position.topic == Topic::Orders);
    Ok(Told { event: envelope.event.clone().unwrap(), time: envelope.timestamp, by_intake })
}

fn then(log: &Log, now: &ViewReader, of: &str, status: StatusFilter, past: Past, page: &Page<u64>) -> Vec<OrderRow> {
    let filter = OrdersFilter { status, ..OrdersFilter::default() };
    let mut tell = |offset| told(log, offset);
    shown(orders_then(now, &user(of), &filter, past, page, &mut tell).unwrap().rows)
}

/// The same flow with amends that the book grants and refuses, and an order that intake rejects.
fn with_amends() -> Log {
    let mut log = busy();
    let buy = limit("u", "amended", Side::Buy, 10, "10");
    log.place(&buy, "100.2", (5, 20));
    let again = limit("u", "poor", Side::Buy, 10, "10");
    log.ask(Event::OrderCreated(again.clone()));
    let refusal = log.reject(&again, Rejection::InsufficientFunds);
    log.answer(refusal);
    log.fill(&buy, "AAPL-900", (1, "10"), "0.005", Liquidity::Maker, (1, 9));
    log.ask_amend(&buy, 8, "10");
    log.grant_amend(&buy, 8, "10", "0");
    log.book(amended(&buy, 8, "10", "0", 7));
    log.ask_amend(&buy, 9, "10");
    log.grant_amend(&buy, 9, "10", "10.02");
    log.book(amend_rejected(&buy, Rejection::InsufficientFunds, "10.02"));
    log.ask_cancel(&buy);
    log.grant_cancel(&buy, 0);
    log.book(canceled(&buy, 7));
    log
}

#[test]
fn orders_of_any_position_are_those_that_were_shown_there() {
    let log = with_amends();
    let now = log.look();
    for count in (1..=log.records.len()).rev().step_by(5) {
        let so_far = Log { records: log.records[..count].to_vec(), ..Log::default() };
        let reader = so_far.look();
        let offset = log.records[count - 1].position.offset;
        for status in [StatusFilter::Any, StatusFilter::Open, StatusFilter::Closed, StatusFilter::Is(Status::Canceled)]
        {
            for direction in [Direction::Ascending, Direction::Descending] {
                let page = Page { direction, ..Page::newest(9) };
                let filter = OrdersFilter { status, ..OrdersFilter::default() };
                let due = queries::orders(&reader, &user("u"), &filter, &page).unwrap().rows;
                let found = then(&log, &now, "u", status, Past::After(offset), &page);
                assert_eq!(found, shown(due), "{status:?} {direction:?} after {offset}");
            }
        }
    }
}

#[test]
fn the_journal_of_any_position_is_what_it_was_and_explains_the_balance() {
    let log = with_amends();
    let now = log.look();
    for count in (3..=log.records.len()).rev().step_by(23) {
        let so_far = Log { records: log.records[..count].to_vec(), ..Log::default() };
        let reader = so_far.look();
        let past = Past::After(log.records[count - 1].position.offset);
        let filter = PostingsFilter { past: Some(past), ..PostingsFilter::default() };
        for direction in [Direction::Ascending, Direction::Descending] {
            let page = Page { direction, ..Page::newest(90) };
            let due = postings(&reader, &user("u"), None, &page).unwrap();
            assert_eq!(postings_where(&now, &user("u"), &filter, &page).unwrap(), due, "{past:?}");
            let page = Page { direction, ..Page::newest(90) };
            let due = fills(&reader, &user("u"), None, &page).unwrap();
            assert_eq!(fills_then(&now, &user("u"), None, Some(past), &page).unwrap(), due, "{past:?}");
        }
        for asset in [Asset::USD, symbol().asset()] {
            let explained = explain(&now, &user("u"), asset, Some(past)).unwrap();
            assert_eq!(explained, explain(&reader, &user("u"), asset, None).unwrap());
            let account = queries::balances(&reader, &user("u")).unwrap().unwrap().account;
            assert_eq!(explained.sum(), account.balance(asset), "{past:?}");
            assert_eq!(explained.held(), account.balance(asset).reserved, "{past:?}");
        }
    }
}
