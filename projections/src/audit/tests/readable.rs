//! Outside records of a version that the rules in force don't read name no order; the rules are known after a restart too.

use orderledger_domain::envelope::{Metadata, write_outside_with};
use orderledger_domain::event::RulesVersion;
use orderledger_domain::version::Version;
use orderledger_store::keys::READABLE;
use orderledger_store::views::Direction;

use super::super::rows::{List, ListBlock, OPEN, list, list_block};
use super::*;

/// Requests of version 2.1 about orders 1, 2 …, and before each the rules that are set, if any.
fn named(rules: &[Option<u32>]) -> (Vec<bool>, usize) {
    let (user, mut script) = (user(1), Script { now_ms: 1_000, ..Script::default() });
    let place = home(&user);
    let orders: Vec<OrderId> = (1..).take(rules.len()).map(order).collect();
    for (set, order_id) in rules.iter().zip(&orders) {
        if let Some(rules_version) = *set {
            script.derived(place, place, "_control", &Event::RulesVersionSet(RulesVersion { rules_version }));
        }
        let metadata = Metadata { version: Version::V2_1, ..Metadata::plain("test") };
        let event = cancel_request(&user, order_id.clone());
        let value = write_outside_with(Uuid::from_u128(7), Timestamp::from_millis(1), &event, &metadata);
        script.append(place, Some(user.as_str().as_bytes()), Some(&value), Vec::new());
    }
    let (reads, mut trail) = (script.reads(), Trail::new());
    for read in &reads {
        trail.feed(std::slice::from_ref(read));
        trail.reload();
    }
    assert_eq!(trail.digest(), Trail::of(&reads).digest());
    let reader = trail.reader();
    let is_named = |order_id: &OrderId| {
        let list = list(List::Order(&user, order_id), place).build();
        reader.get_row::<ListBlock>(&list_block(&list, OPEN)).unwrap().is_some()
    };
    (orders.iter().map(is_named).collect(), reader.scan_prefix_rows::<u32>(&[READABLE], Direction::Ascending).count())
}

#[test]
fn a_version_that_the_rules_do_not_read_names_nothing() {
    assert_eq!(named(&[None, Some(3), None, Some(2), Some(1)]), (vec![false, true, true, false, false], 1));
    // A newer program's rules read at least as much.
    assert_eq!(named(&[Some(77)]), (vec![true], 1));
}

#[test]
fn a_log_of_older_rules_has_no_row_about_them() {
    assert_eq!(named(&[None, Some(2), Some(1)]), (vec![false; 3], 0));
}
