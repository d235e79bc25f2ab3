//! Rows of webhooks: dead letters, what is sent again, secrets.

use orderledger_domain::position::{Position, Topic};
use orderledger_domain::timestamp::Timestamp;
use uuid::Uuid;

use super::folding::{Fold1, orders, user, webhook};
use crate::notifications::Notifications;
use crate::notifications::queries;
use crate::notifications::said::{
    DeliveryFailed, EarlierSecret, ResendRequested, Said, WebhookDeleted, WebhookMarked, WebhookSet,
};
use crate::worker::fold::{Fold, Outcome};

/// Positions of different partitions say nothing of age.
#[test]
fn the_dead_letters_that_were_given_up_last_are_kept() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    one.says(0, &Said::WebhookSet(webhook()));
    let fail = |one: &mut Fold1, at, position: Position| {
        let (user_id, error) = (user(), "500".to_owned());
        let failed = DeliveryFailed { webhook_id: id, user_id, position, attempts: 3, error };
        assert_eq!(one.says(at, &Said::WebhookDeliveryFailed(failed)), Outcome::Applied);
    };
    let place = |partition: u32| Topic::Orders.at(partition).offset(1);
    let kept = |one: &Fold1| -> Vec<u32> {
        let page = queries::dead_letters(&one.view.reader().unwrap(), id, None, 100).unwrap().0;
        page.into_iter().map(|(at, _)| at.partition).collect()
    };
    for (at, partition) in [(1, 9), (2, 8), (3, 7), (4, 6), (5, 0)] {
        fail(&mut one, at, place(partition));
    }
    assert_eq!(kept(&one), [0, 6, 7, 8], "9 was given up first");
    // Given up once more, it is the newest.
    fail(&mut one, 6, place(8));
    one.fold = Notifications::load(&one.view, 1).unwrap();
    fail(&mut one, 7, place(1));
    assert_eq!(kept(&one), [0, 1, 6, 8]);
    let row = queries::webhook(&one.view.reader().unwrap(), id).unwrap().unwrap();
    assert_eq!(row.dead_letters, 4);
}

#[test]
fn a_dead_letter_stays_until_it_is_sent_again() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    one.says(0, &Said::WebhookSet(webhook()));
    let failed = |offset| {
        let (user_id, position, error) = (user(), orders(offset), "500".to_owned());
        Said::WebhookDeliveryFailed(DeliveryFailed { webhook_id: id, user_id, position, attempts: 3, error })
    };
    for offset in [4, 6, 7] {
        assert_eq!(one.says(offset, &failed(offset)), Outcome::Applied);
    }
    let listed = |one: &Fold1, after: Option<u64>| {
        let page = queries::dead_letters(&one.view.reader().unwrap(), id, after.map(orders), 2).unwrap();
        (page.0.into_iter().map(|(at, _)| at.offset).collect::<Vec<_>>(), page.1)
    };
    assert_eq!((listed(&one, None), listed(&one, Some(6))), ((vec![4, 6], true), (vec![7], false)));
    let again =
        Said::WebhookResendRequested(ResendRequested { webhook_id: id, user_id: None, from: orders(5), to: orders(6) });
    assert_eq!(one.says(8, &again), Outcome::Applied);
    assert_eq!(listed(&one, None), (vec![4, 7], false));
    // It is loaded as it was left.
    one.fold = Notifications::load(&one.view, 1).unwrap();
    let resends = |one: &Fold1| queries::resends(&one.view.reader().unwrap(), id).unwrap();
    assert_eq!(resends(&one).iter().map(|(at, _)| at.offset).collect::<Vec<_>>(), [8]);
    let resent = Some(Topic::Notifications.at(0).offset(8));
    let marked = WebhookMarked { webhook_id: id, next: vec![orders(9)], resent, ..WebhookMarked::default() };
    one.says(9, &Said::WebhookMarked(marked));
    assert_eq!(resends(&one), []);
}

#[test]
fn a_request_that_is_done_with_before_an_earlier_one_is_over_and_the_earlier_one_is_not() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    one.says(0, &Said::WebhookSet(webhook()));
    for offset in [1, 2, 3, 4] {
        let (from, to) = (orders(offset), orders(offset));
        one.says(offset, &Said::WebhookResendRequested(ResendRequested { webhook_id: id, user_id: None, from, to }));
    }
    let left = |one: &Fold1| -> Vec<u64> {
        let resends = queries::resends(&one.view.reader().unwrap(), id).unwrap();
        resends.iter().map(|(at, _)| at.offset).collect()
    };
    let mark = |next, resent: Option<u64>, too: &[u64]| {
        let request = |offset: u64| Topic::Notifications.at(0).offset(offset);
        let (resent, resent_too) = (resent.map(request), too.iter().copied().map(request).collect());
        Said::WebhookMarked(WebhookMarked {
            webhook_id: id,
            next: vec![orders(next)],
            behind: vec![],
            resent,
            resent_too,
        })
    };
    one.says(5, &mark(9, None, &[3]));
    assert_eq!(left(&one), [1, 2, 4]);
    one.fold = Notifications::load(&one.view, 1).unwrap();
    // Of another server: neither names what the other one is done with, and both count.
    one.says(6, &mark(9, Some(1), &[77]));
    assert_eq!(left(&one), [2, 4]);
    one.says(7, &mark(8, Some(4), &[]));
    assert_eq!(left(&one), [2, 4], "one that goes back counts for nothing");
    one.says(8, &mark(9, Some(4), &[]));
    assert!(left(&one).is_empty());
}

#[test]
fn secrets_that_sign_beside_newer_ones_are_kept_until_a_rotation_names_none() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    let kept = |one: &Fold1| queries::earlier_secrets(&one.view.reader().unwrap(), id).unwrap().0;
    let until = Timestamp::from_millis(1_700_000_000_000);
    let rotated = |secret_version, earlier: &[u32]| {
        let earlier = earlier.iter().map(|version| EarlierSecret { secret_version: *version, until }).collect();
        Said::WebhookSet(WebhookSet { secret_version, earlier, ..webhook() })
    };
    one.says(0, &rotated(1, &[]));
    one.says(1, &rotated(2, &[]));
    assert_eq!(kept(&one), []);
    one.says(2, &rotated(3, &[1]));
    one.says(3, &rotated(4, &[2, 1]));
    assert_eq!(kept(&one), [(2, until), (1, until)]);
    one.says(4, &rotated(4, &[]));
    assert_eq!(kept(&one), [(2, until), (1, until)], "one that raises no version counts for nothing");
    one.fold = Notifications::load(&one.view, 1).unwrap();
    one.says(5, &rotated(5, &[]));
    assert_eq!(kept(&one), []);
    one.says(6, &rotated(6, &[4]));
    one.says(7, &Said::WebhookDeleted(WebhookDeleted { webhook_id: id }));
    assert_eq!(kept(&one), []);
}
