//! What a user sees between the log's acknowledgement and intake's judgement.

use orderledger_domain::envelope::Metadata;
use orderledger_domain::event::{
    DuplicateIgnored, RecordRefused, RulesVersion, WithdrawalDecided, WithdrawalRejected, WithdrawalRequested,
};
use orderledger_domain::ids::WithdrawalId;
use orderledger_domain::order::Status;
use orderledger_domain::reason::RefuseReason;
use orderledger_domain::version::Version;
use orderledger_store::keys;
use orderledger_store::views::Direction;

use super::*;
use crate::settlement::queries::{
    OrdersFilter, Page, StatusFilter, balances as row_of, exists, order, orders, withdrawal, withdrawals,
};
use crate::settlement::rows::WithdrawalStatus;

fn pending_rows(log: &Log) -> usize {
    let reader = log.look();
    let count = |prefix| reader.scan_prefix(&[prefix], Direction::Ascending).count();
    count(keys::PENDING_ORDER) + count(keys::PENDING_WITHDRAWAL)
}

#[test]
fn an_order_is_pending_until_intake_answers() {
    let buy = limit("u", "o", Side::Buy, 10, "1");
    let look = |log: &Log| order(&log.look(), &user("u"), &id("o")).unwrap();
    let mut log = Log::default();
    let created = log.ask(Event::OrderCreated(buy.clone()));
    let row = look(&log).unwrap();
    assert_eq!((row.order.status, row.order.leaves_quantity, row.changed), (Status::PendingNew, shares(10), created));
    assert!(exists(&log.look(), &user("u")).unwrap());
    assert_eq!(row_of(&log.look(), &user("u")).unwrap(), None);
    let refused = RecordRefused::plain(HOME.offset(created), RefuseReason::OutOfRange, String::new(), None);
    log.answer(Event::RecordRefused(refused));
    assert_eq!(look(&log), None);
    assert!(!exists(&log.look(), &user("u")).unwrap());
    log.ask(Event::OrderCreated(buy.clone()));
    let rejected = log.reject(&buy, Rejection::InsufficientFunds);
    log.answer(rejected);
    assert_eq!(look(&log).unwrap().order.status, Status::Rejected);
    assert_eq!(pending_rows(&log), 0);
}

#[test]
fn a_repeat_never_hides_the_order_it_repeats() {
    let buy = limit("u", "o", Side::Buy, 10, "1");
    let listed = |log: &Log, status| {
        let filter = OrdersFilter { status, ..OrdersFilter::default() };
        let rows = orders(&log.look(), &user("u"), &filter, &Page::newest(10)).unwrap().rows;
        rows.iter().map(|row| (row.order.status, row.order.created_offset)).collect::<Vec<_>>()
    };
    let mut log = Log::default();
    log.fund("u", "USD", "10");
    let first = log.ask(Event::OrderCreated(buy.clone()));
    let again = log.ask(Event::OrderCreated(buy.clone()));
    assert_eq!(listed(&log, StatusFilter::Any), [(Status::PendingNew, first)]);
    log.accept(&buy, "10", (0, 0));
    assert_eq!(pending_rows(&log), 1);
    assert_eq!(listed(&log, StatusFilter::Open), [(Status::New, first)]);
    assert_eq!(listed(&log, StatusFilter::Is(Status::PendingNew)), []);
    log.answer(Event::DuplicateIgnored(DuplicateIgnored {
        position: HOME.offset(again),
        original: HOME.offset(first),
    }));
    assert_eq!(listed(&log, StatusFilter::Any), [(Status::New, first)]);
    assert_eq!(pending_rows(&log), 0);
}

#[test]
fn outside_records_that_are_no_use_make_no_placeholder() {
    let mut log = Log::default();
    log.ask_raw("u", b"{".to_vec());
    log.ask(deposit("u", "USD", "1"));
    let other = envelope::write_outside(
        Uuid::nil(),
        Timestamp::default(),
        &Event::OrderCreated(limit("other", "o", Side::Buy, 1, "1")),
        "",
    );
    log.ask_raw("u", other);
    let (_, outcomes) = fold(&log.records, 10, false).unwrap();
    assert_eq!(outcomes, [Outcome::Ignored; 3]);
    assert_eq!(pending_rows(&log), 0);
}

#[test]
fn an_order_of_a_version_that_the_rules_do_not_read_makes_no_placeholder() {
    let newer = |order_id| {
        let event = Event::OrderCreated(limit("u", order_id, Side::Buy, 1, "1"));
        let metadata = Metadata { version: Version::V2_1, ..Metadata::plain("") };
        envelope::write_outside_with(Uuid::nil(), Timestamp::default(), &event, &metadata)
    };
    let mut log = Log::default();
    let asked = log.ask_raw("u", newer("a"));
    assert_eq!(pending_rows(&log), 0);
    let refused = RecordRefused::plain(HOME.offset(asked), RefuseReason::UnknownVersion, String::new(), None);
    log.answer(Event::RecordRefused(refused));
    log.ask_raw("_control", b"{}".to_vec());
    log.answer(Event::RulesVersionSet(RulesVersion { rules_version: 3 }));
    log.ask_raw("u", newer("b"));
    assert_eq!(pending_rows(&log), 1);
}

#[test]
fn a_withdrawal_is_pending_then_completed_or_rejected() {
    let usd = Asset::USD;
    let ask = |log: &mut Log, name: Option<&str>, how_much: &str| {
        let withdrawal_id = name.map(|name| WithdrawalId::new(name).unwrap());
        log.ask(Event::WithdrawalRequested(WithdrawalRequested {
            user_id: user("u"),
            asset: usd,
            amount: amount(how_much),
            withdrawal_id,
        }))
    };
    let status = |log: &Log, name: &str| {
        withdrawal(&log.look(), &user("u"), &WithdrawalId::new(name).unwrap()).unwrap().map(|row| row.status)
    };
    let mut log = Log::default();
    log.fund("u", "USD", "100");
    let first = ask(&mut log, Some("w1"), "40");
    let second = ask(&mut log, None, "100");
    let own = Uuid::from_u128(u128::from(second) + 1).to_string();
    assert_eq!([status(&log, "w1"), status(&log, &own)], [Some(WithdrawalStatus::Pending); 2]);
    let withdrawal_id = WithdrawalId::new("w1").unwrap();
    log.answer(Event::AccountDebited(WithdrawalDecided {
        user_id: user("u"),
        withdrawal_id,
        asset: usd,
        amount: amount("40"),
        request_id: Uuid::nil(),
    }));
    let withdrawal_id = WithdrawalId::new(&own).unwrap();
    let reason = Rejection::InsufficientFunds;
    log.answer(Event::WithdrawalRejected(WithdrawalRejected {
        user_id: user("u"),
        withdrawal_id,
        asset: usd,
        amount: amount("100"),
        reason,
        request_id: Uuid::nil(),
    }));
    assert_eq!(status(&log, "w1"), Some(WithdrawalStatus::Completed));
    assert_eq!(status(&log, &own), Some(WithdrawalStatus::Rejected(reason)));
    assert_eq!(status(&log, "w3"), None);
    assert_eq!(balances(&log.look(), "u"), "USD 60=60+0");
    let listing = withdrawals(&log.look(), &user("u"), &Page::newest(1)).unwrap();
    assert_eq!(listing.rows.iter().map(|row| row.requested).collect::<Vec<_>>(), [second]);
    let rest = withdrawals(&log.look(), &user("u"), &Page { after: listing.next, ..Page::newest(10) }).unwrap();
    assert_eq!((rest.rows.iter().map(|row| row.requested).collect::<Vec<_>>(), rest.next), (vec![first], None));
    assert_eq!(pending_rows(&log), 0);
}
