//! The order of deliveries, what marks lead to, and what is given up.

use std::collections::BTreeMap;
use std::time::Duration;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};
use proptest::prelude::*;
use uuid::Uuid;

use crate::notifications::deliveries::{ACCOUNTS_MAX, Deliveries, Due, GivenUp, Schedule, Source};
use crate::notifications::rows::{MarksRow, ResendRow};

const NEW: Source = Source::New(0);
const BEHIND: Source = Source::Behind(0);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn at(offset: u64) -> Position {
    Topic::Orders.at(0).offset(offset)
}

fn begun() -> MarksRow {
    MarksRow { next: vec![at(0)], ..MarksRow::default() }
}

fn events(events: &[(u64, &str)]) -> Vec<(u64, UserId)> {
    events.iter().map(|(offset, name)| (*offset, user(name))).collect()
}

/// What is to be read: of which source, from where, up to below where.
fn readings(deliveries: &Deliveries) -> Vec<(Source, u64, u64)> {
    deliveries.readings().into_iter().map(|one| (one.source, one.from.offset, one.end)).collect()
}

fn due(deliveries: &mut Deliveries, seconds: u64) -> Option<(String, u64)> {
    deliveries.due(Duration::from_secs(seconds)).map(|Due { user, at }| (user.to_string(), at.offset))
}

#[test]
fn pauses_grow_until_the_longest_and_the_attempts_last_for_more_than_a_day() {
    let schedule = Schedule::default();
    let pauses: Vec<u64> = (1..schedule.attempts).map(|attempts| schedule.pause(attempts).as_secs()).collect();
    assert_eq!(pauses, [5, 15, 45, 135, 405, 1215, 3645, 10_935, 21_600, 21_600, 21_600, 21_600, 21_600]);
    assert!(pauses.iter().sum::<u64>() > 24 * 3600);
    assert_eq!(schedule.pause(u32::MAX), schedule.longest);
}

#[test]
fn an_account_keeps_its_order_and_nobody_waits_for_another() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.take(NEW, events(&[(1, "a"), (2, "a"), (3, "b"), (5, "b")]), 6);
    assert_eq!(due(&mut all, 0), Some(("a".to_owned(), 1)));
    assert_eq!(due(&mut all, 0), Some(("b".to_owned(), 3)));
    assert_eq!(due(&mut all, 0), None, "each has one on its way");
    assert_eq!(all.failed(&user("a"), Duration::ZERO), None);
    all.done(&user("b"));
    assert_eq!(due(&mut all, 1), Some(("b".to_owned(), 5)));
    all.done(&user("b"));
    let wakes_at = all.wakes_at().unwrap();
    assert!(Duration::from_secs(4) <= wakes_at && wakes_at <= Duration::from_secs(5), "{wakes_at:?}");
    assert_eq!(due(&mut all, 3), None);
    assert_eq!(all.marks().behind, [(user("a"), at(1), 1)]);
    assert_eq!(due(&mut all, 5), Some(("a".to_owned(), 1)));
    all.sent(&user("a"));
    assert_eq!(due(&mut all, 5), Some(("a".to_owned(), 2)), "after it, and at once");
    all.sent(&user("a"));
    assert_eq!(all.marks(), MarksRow { next: vec![at(6)], ..MarksRow::default() });
}

#[test]
fn what_fails_to_the_last_is_given_up_and_the_account_goes_on() {
    let schedule = Schedule { attempts: 2, ..Schedule::default() };
    let mut all = Deliveries::new(&begun(), schedule);
    all.take(NEW, events(&[(1, "a"), (2, "a")]), 3);
    assert!(due(&mut all, 0).is_some() && all.failed(&user("a"), Duration::ZERO).is_none());
    assert_eq!(due(&mut all, 5), Some(("a".to_owned(), 1)));
    let given_up = all.failed(&user("a"), Duration::from_secs(5));
    assert_eq!(given_up, Some(GivenUp { user: user("a"), at: at(1), attempts: 2 }));
    assert_eq!(due(&mut all, 5), Some(("a".to_owned(), 2)));
}

#[test]
fn marks_lead_to_just_what_is_not_done_with() {
    let schedule = Schedule::default();
    let log = [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (7, "b")];
    let mut all = Deliveries::new(&begun(), schedule);
    all.take(NEW, events(&log[..4]), 5);
    for _ in 0..3 {
        due(&mut all, 0).unwrap();
    }
    all.sent(&user("b"));
    all.sent(&user("c"));
    all.failed(&user("a"), Duration::ZERO);
    let marks = all.marks();
    assert_eq!(marks, MarksRow { next: vec![at(5)], behind: vec![(user("a"), at(1), 1)], resent: None });
    // The next life reads what is new at once, and what is behind beside it.
    let mut next = Deliveries::new(&marks, schedule);
    assert_eq!(readings(&next), [(BEHIND, 1, 5), (NEW, 5, u64::MAX)]);
    assert_eq!(next.marks(), marks, "also before anything was read");
    next.take(BEHIND, events(&log[..2]), 3);
    assert_eq!(next.marks(), marks, "and while it is read again");
    next.take(NEW, events(&log[4..]), 8);
    assert_eq!(readings(&next), [(BEHIND, 3, 8), (NEW, 8, u64::MAX)]);
    next.take(BEHIND, events(&log[2..]), 8);
    assert_eq!(readings(&next), [(NEW, 8, u64::MAX)]);
    let mut sent = Vec::new();
    while let Some((name, offset)) = due(&mut next, 60) {
        next.sent(&user(&name));
        sent.push((offset, name));
    }
    sent.sort();
    assert_eq!(sent, [(1, "a".to_owned()), (3, "a".to_owned()), (7, "b".to_owned())]);
    // How often it was tried goes on, too; the attempt after the start counts as none.
    let mut next = Deliveries::new(&marks, Schedule { attempts: 2, ..schedule });
    next.take(NEW, events(&log[4..]), 8);
    next.take(BEHIND, events(&log), 8);
    let mut given_up = Vec::new();
    while let Some((name, offset)) = due(&mut next, 60) {
        if offset == 1 {
            given_up.push(next.failed(&user(&name), Duration::ZERO).map(|given_up| given_up.attempts));
        } else {
            next.done(&user(&name));
        }
    }
    assert_eq!(given_up, [None, Some(2)]);
}

#[test]
fn a_life_that_begins_again_and_again_uses_up_no_attempts() {
    let behind = vec![(user("a"), at(1), 3), (user("b"), at(2), 3)];
    let mut marks = MarksRow { next: vec![at(3)], behind: behind.clone(), resent: None };
    for _ in 0..20 {
        let mut life = Deliveries::new(&marks, Schedule::default());
        life.take(BEHIND, events(&[(1, "a"), (2, "b")]), 3);
        assert_eq!(due(&mut life, 0), Some(("a".to_owned(), 1)), "the receiver may be well by now");
        assert_eq!(life.failed(&user("a"), Duration::ZERO), None);
        assert_eq!(due(&mut life, 35), None, "one attempt says that it is not, and the pause after three is not over");
        marks = life.marks();
    }
    let mut life = Deliveries::new(&marks, Schedule::default());
    life.take(BEHIND, events(&[(1, "a"), (2, "b")]), 3);
    assert_eq!(due(&mut life, 45), Some(("a".to_owned(), 1)));
    assert_eq!(due(&mut life, 45), Some(("b".to_owned(), 2)));
    assert_eq!(marks.behind, behind);
}

#[test]
fn one_success_wakes_all_who_wait() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.take(NEW, events(&[(1, "a"), (2, "b"), (3, "c"), (4, "a")]), 5);
    let hour = 3600;
    for round in 1..6 {
        for name in ["a", "b", "c"] {
            assert!(due(&mut all, round * hour).is_some_and(|(whose, _)| whose == name));
            assert_eq!(all.failed(&user(name), Duration::from_secs(round * hour)), None);
        }
    }
    let now = 5 * hour + 1;
    assert_eq!(due(&mut all, now), None);
    all.take(NEW, events(&[(5, "d")]), 6);
    assert_eq!(due(&mut all, now), Some(("d".to_owned(), 5)));
    assert_eq!(due(&mut all, now), None, "not before it is taken");
    all.sent(&user("d"));
    for (name, offset) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(due(&mut all, now), Some((name.to_owned(), offset)));
    }
    assert_eq!(due(&mut all, now), None, "an account's next waits for its first");
    all.sent(&user("a"));
    assert_eq!(due(&mut all, now), Some(("a".to_owned(), 4)));
}

#[test]
fn one_that_alone_is_refused_is_no_sooner_given_up() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.take(NEW, events(&[(1, "a")]), 2);
    // Each second an attempt for somebody else succeeds.
    let (mut tried, mut given_up_at) = (0, None);
    for second in 0..48 * 3600 {
        all.take(NEW, events(&[(second + 2, "b")]), second + 3);
        while let Some((name, _)) = due(&mut all, second) {
            if name == "b" {
                all.sent(&user("b"));
                continue;
            }
            tried += 1;
            if all.failed(&user("a"), Duration::from_secs(second)).is_some() {
                given_up_at = Some(second);
            }
        }
        if given_up_at.is_some() {
            break;
        }
    }
    assert!(given_up_at.is_some_and(|second| second > 24 * 3600), "{given_up_at:?}");
    assert!((14..=42).contains(&tried), "{tried} attempts");
}

#[test]
fn one_account_that_is_behind_holds_up_nobody_and_keeps_its_order() {
    let marks = MarksRow { next: vec![at(1000)], behind: vec![(user("a"), at(1), 0)], resent: None };
    let mut all = Deliveries::new(&marks, Schedule::default());
    all.take(NEW, events(&[(1001, "b"), (1002, "a")]), 1003);
    assert_eq!(due(&mut all, 0), Some(("b".to_owned(), 1001)), "before anything below the mark was read");
    assert_eq!(due(&mut all, 0), None, "what is new of an account that is behind waits for what is old");
    all.sent(&user("b"));
    all.take(BEHIND, events(&[(1, "a"), (2, "b")]), 1000);
    assert_eq!(due(&mut all, 0), Some(("a".to_owned(), 1)));
    all.sent(&user("a"));
    assert_eq!(all.marks().behind, [(user("a"), at(2), 0)], "what was sent of it is done with");
    all.take(BEHIND, events(&[(1001, "b"), (1002, "a")]), 1003);
    assert_eq!(due(&mut all, 0), Some(("a".to_owned(), 1002)));
    assert_eq!(due(&mut all, 0), None, "and nothing of others comes again");
    all.sent(&user("a"));
    assert_eq!(all.marks(), MarksRow { next: vec![at(1003)], ..MarksRow::default() });
}

#[test]
fn every_source_has_its_turn() {
    let of = |partition| Topic::Orders.at(partition).offset(0);
    let marks = MarksRow { next: vec![of(0), of(1), of(2)], ..MarksRow::default() };
    let mut all = Deliveries::new(&marks, Schedule::default());
    let to = Topic::Orders.at(1).offset(9);
    let row = ResendRow { event_id: Uuid::nil(), user_id: None, from: of(1), to };
    all.begin_again(Some(2), &[(Topic::Notifications.at(0).offset(1), row)]);
    let order = |all: &Deliveries| all.readings().into_iter().map(|one| one.source).collect::<Vec<_>>();
    let (again, new) = (Source::Again(Topic::Notifications.at(0).offset(1)), Source::New);
    assert_eq!(order(&all), [again, new(0), new(1), new(2)]);
    all.take(new(0), Vec::new(), 1);
    assert_eq!(order(&all), [new(1), new(2), again, new(0)]);
    all.take(new(2), Vec::new(), 1);
    assert_eq!(order(&all), [again, new(0), new(1), new(2)]);
    all.take(again, Vec::new(), 3);
    assert_eq!(order(&all), [new(0), new(1), new(2), again]);
}

#[test]
fn a_stretch_is_sent_again_once_and_moves_no_mark() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.take(NEW, Vec::new(), 9);
    let row = ResendRow { event_id: Uuid::nil(), user_id: Some(user("a")), from: at(1), to: at(6) };
    let request = Topic::Notifications.at(2).offset(30);
    let (requests, again) = ([(request, row)], Source::Again(request));
    all.begin_again(Some(31), &requests);
    let of_again = |all: &Deliveries| readings(all).into_iter().find(|(source, ..)| *source == again);
    assert_eq!(of_again(&all), Some((again, 1, 7)));
    all.take(again, events(&[(1, "a"), (2, "a"), (3, "b")]), 4);
    assert_eq!(of_again(&all), Some((again, 4, 7)));
    all.take(again, Vec::new(), 7);
    assert_eq!((of_again(&all), all.marks().behind), (None, Vec::new()));
    for offset in [1, 2] {
        assert_eq!(all.marks().resent, None);
        assert_eq!(due(&mut all, 0), Some(("a".to_owned(), offset)));
        all.sent(&user("a"));
    }
    assert_eq!(due(&mut all, 0), None, "nobody asked for b's");
    assert_eq!(all.marks(), MarksRow { next: vec![at(9)], behind: Vec::new(), resent: Some(request) });
    all.begin_again(Some(32), &requests);
    assert_eq!(of_again(&all), None, "it is done with");
}

#[test]
fn what_is_held_is_bounded() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    for number in 0..u64::try_from(ACCOUNTS_MAX).unwrap() {
        assert!(all.has_room(NEW));
        all.take(NEW, events(&[(number, &format!("u{number}"))]), number + 1);
    }
    assert!(!all.has_room(NEW));
}

proptest! {
    /// However often it begins anew from its last marks, everything is sent at least once, each account's first times are in
    /// order, and what was marked as done with is never sent again.
    #[test]
    fn nothing_is_lost_and_nothing_that_was_marked_comes_again(
        names in proptest::collection::vec(0_u8..4, 1..40),
        steps in proptest::collection::vec((0_u8..10, 0_u64..5), 1..400),
    ) {
        let schedule = Schedule { first: Duration::from_secs(1), attempts: 1000, ..Schedule::default() };
        let log: Vec<(u64, UserId)> = names.iter().zip(0..).map(|(name, offset)| (offset, user(&format!("u{name}")))).collect();
        let mut all = Deliveries::new(&begun(), schedule);
        let mut kept = all.marks();
        let (mut on_their_way, mut now) = (Vec::<Due>::new(), Duration::ZERO);
        let mut sent: BTreeMap<UserId, Vec<u64>> = BTreeMap::new();
        let done = |marks: &MarksRow, at: u64, user: &UserId| {
            let behind = marks.behind.iter().find(|(whose, ..)| whose == user);
            marks.next[0].offset > at && behind.is_none_or(|(_, from, _)| from.offset > at)
        };
        let ending = (0..200).map(|_| (9, 4));
        for (step, number) in steps.into_iter().chain(ending) {
            now += Duration::from_secs(number);
            match step {
                0 => {
                    kept = all.marks();
                }
                1 => {
                    // A crash: what was on its way may have arrived or not.
                    all = Deliveries::new(&kept, schedule);
                    on_their_way.clear();
                }
                2 if !on_their_way.is_empty() => {
                    let due = on_their_way.remove(0);
                    prop_assert!(all.failed(&due.user, now).is_none());
                }
                _ => {
                    let reading = all.readings()[0];
                    let from = reading.from.offset;
                    let end = (from + number).min(u64::try_from(log.len()).unwrap()).min(reading.end);
                    let of = log.iter().filter(|(offset, _)| (from..end).contains(offset)).cloned().collect();
                    all.take(reading.source, of, end.max(from));
                    on_their_way.extend(all.due(now));
                    if step > 5 && !on_their_way.is_empty() {
                        let due = on_their_way.remove(0);
                        prop_assert!(!done(&kept, due.at.offset, &due.user), "{due:?} was marked: {kept:?}");
                        all.sent(&due.user);
                        sent.entry(due.user).or_default().push(due.at.offset);
                    }
                }
            }
        }
        for (offset, user) in &log {
            prop_assert!(sent.get(user).is_some_and(|sent| sent.contains(offset)), "{offset} of {user} was lost: {all:?}");
        }
        for offsets in sent.values() {
            let mut firsts = Vec::new();
            for offset in offsets {
                if !firsts.contains(offset) {
                    firsts.push(*offset);
                }
            }
            prop_assert!(firsts.is_sorted(), "{firsts:?}");
        }
    }
}
