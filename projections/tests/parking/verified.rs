//! Verifying knows what is parked and what was discarded, of accounts and of markets, and nothing more.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderledger_domain::entity::{Entity, EntityKind};
use orderledger_domain::partition::of_key;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::analytics::Analytics;
use orderledger_projections::audit::Audit;
use orderledger_projections::market::Market;
use orderledger_projections::notifications::Notifications;
use orderledger_projections::parking::queries::{self, Parked};
use orderledger_projections::parking::rows::{ParkedRow, parked_key};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::verify::{Check, LedgerRows, Report, verify};
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::poison;
use orderledger_store::event_log::MemoryLog;
use orderledger_store::views::{Direction, View};

use crate::days;
use crate::live::Live;
use crate::operators::{Dice, decide, log_of, one_at_a_time, some_records};
use crate::property::rebuilt;

/// The views of a day on which records could not be applied and operators decided.
struct Views {
    log: MemoryLog,
    settlement: Arc<View>,
    market: Arc<View>,
    discards: usize,
}

fn day(seed: u64) -> Views {
    let mut market = days::Market::new(seed);
    market.day();
    let log = log_of(&market.log);
    let mut dice = Dice(seed);
    let poison = some_records(&log, Topic::Orders, &mut dice, 80);
    let mut accounts = Live::<Settlement>::new(&log, poison, dice.below(1 << 40));
    accounts.run(50, 12);
    let poison = some_records(&log, Topic::Trades, &mut dice, 30);
    let mut markets = Live::<Market>::new(&log, poison, dice.below(1 << 40));
    markets.run(50, 3);
    accounts.finish();
    let discards = accounts.discards.len() + markets.discards.len();
    let (settlement, market) = (Arc::clone(&accounts.view), Arc::clone(&markets.view));
    Views { log, settlement, market, discards }
}

fn report(log: &MemoryLog, settlement: &View, market: &View) -> Report {
    let audit = rebuilt::<Audit>(log).reader().unwrap();
    let notifications = rebuilt::<Notifications>(log).reader().unwrap();
    let analytics = rebuilt::<Analytics>(log).reader().unwrap();
    let (settlement, market) = (settlement.reader().unwrap(), market.reader().unwrap());
    let rows = LedgerRows { settlement, market, audit, notifications, analytics };
    verify(log, &StreamKey::default(), &rows, &mut |_| {}).unwrap()
}

fn parked(view: &View) -> Vec<Parked> {
    queries::parked_entities(&view.reader().unwrap(), None, usize::MAX, Direction::Ascending).unwrap()
}

fn found_by(report: &Report) -> Vec<Check> {
    report.checks().filter(|(_, compared)| compared.differences > 0).map(|(check, _)| check).collect()
}

#[test]
fn what_waits_and_what_was_discarded_is_no_difference() {
    let _turn = one_at_a_time();
    let (mut waiting, mut discards) = (0, 0);
    for seed in 20..24 {
        let day = day(seed);
        let report = report(&day.log, &day.settlement, &day.market);
        assert!(report.is_equal(), "seed {seed}\n{report}");
        for view in [&day.settlement, &day.market] {
            waiting += parked(view).len();
        }
        discards += day.discards;
    }
    assert!(waiting > 5 && discards > 5, "{waiting} parked, {discards} discarded");
}

#[test]
fn a_decision_about_an_entity_that_lives_elsewhere_changes_nothing() {
    let _turn = one_at_a_time();
    poison::here(BTreeSet::new());
    let mut market = days::Market::new(7);
    market.day();
    let log = log_of(&market.log);
    let strangers = (0..).map(|number| EntityKind::User.named(&format!("stranger-{number}")).unwrap());
    let is_at_home = |stranger: &Entity| of_key(stranger.name().as_bytes(), days::PARTITIONS) == 0;
    let stranger = strangers.into_iter().find(|stranger| !is_at_home(stranger)).unwrap();
    decide(&log, 1, Settlement::NAME, &stranger, Topic::Orders.at(0).offset(0), true);
    let (settlement, markets) = (rebuilt::<Settlement>(&log), rebuilt::<Market>(&log));
    assert_eq!(queries::decisions(&settlement.reader().unwrap()).count(), 0);
    let report = report(&log, &settlement, &markets);
    assert!(report.is_equal(), "{report}");
}

#[test]
fn a_view_that_applied_what_waits_or_lets_wait_what_it_applied_is_found() {
    let _turn = one_at_a_time();
    let has_both = |day: &Views| [&day.settlement, &day.market].iter().all(|view| !parked(view).is_empty());
    let day = (30..).map(day).find(has_both).unwrap();
    for view in [&day.settlement, &day.market] {
        let reader = view.reader().unwrap();
        let first = parked(view).pop().unwrap();
        let put = |row: &ParkedRow| {
            let mut changes = view.changes();
            changes.put_row(parked_key(&first.entity), row).unwrap();
            view.commit(changes, reader.head().clone()).unwrap();
        };
        put(&ParkedRow { waiting: first.row.waiting + 1, ..first.row });
        assert_eq!(found_by(&report(&day.log, &day.settlement, &day.market)), [Check::Parked]);
        put(&first.row);
        assert!(report(&day.log, &day.settlement, &day.market).is_equal());
    }
}

#[test]
fn a_view_that_applied_what_was_discarded_is_found() {
    let _turn = one_at_a_time();
    let of_accounts = [Check::Balances, Check::SystemAccounts, Check::Orders, Check::Fills, Check::Postings];
    let mut found = Vec::new();
    for seed in 40..44 {
        let day = day(seed);
        // As if nothing had been decided, and everything could be applied.
        poison::here(BTreeSet::new());
        let mut market = days::Market::new(seed);
        market.day();
        let undecided = rebuilt::<Settlement>(&log_of(&market.log));
        found.extend(found_by(&report(&day.log, &undecided, &day.market)));
    }
    // Of one that changed nothing there is nothing to be found.
    assert!(!found.is_empty() && found.iter().all(|check| of_accounts.contains(check)), "{found:?}");
}
