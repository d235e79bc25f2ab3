//! What is sent again: no stretch waits for another, what fails is soon a dead letter once more, and what is held is bounded.

use std::time::Duration;

use orderledger_domain::ids::UserId;
use orderledger_domain::position::{Position, Topic};
use proptest::prelude::*;
use uuid::Uuid;

use crate::notifications::deliveries::{
    ACCOUNTS_MAX, AGAIN_ATTEMPTS, Deliveries, Due, GivenUp, RESENT_TOO_MAX, Schedule, Source,
};
use crate::notifications::rows::{MarksRow, ResendRow};

const NEW: Source = Source::New(0);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn at(offset: u64) -> Position {
    Topic::Orders.at(0).offset(offset)
}

fn request(offset: u64) -> Position {
    Topic::Notifications.at(0).offset(offset)
}

/// At that offset: the records from there to there, of one account or of all.
fn asked(offset: u64, name: Option<&str>, from: u64, to: u64) -> (Position, ResendRow) {
    (request(offset), ResendRow { event_id: Uuid::nil(), user_id: name.map(user), from: at(from), to: at(to) })
}

fn begun() -> MarksRow {
    MarksRow { next: vec![at(1000)], ..MarksRow::default() }
}

/// Reads all of a stretch.
fn read(all: &mut Deliveries, of: &(Position, ResendRow), told: &[(u64, &str)]) {
    let told = told.iter().map(|(offset, name)| (*offset, user(name))).collect();
    all.take(Source::Again(of.0), told, of.1.to.offset + 1);
}

fn due(all: &mut Deliveries, seconds: u64) -> Option<(String, u64)> {
    all.due(Duration::from_secs(seconds)).map(|Due { user, at }| (user.to_string(), at.offset))
}

fn of(name: &str, offset: u64) -> Option<(String, u64)> {
    Some((name.to_owned(), offset))
}

#[test]
fn a_stretch_that_fails_holds_up_no_other_and_is_soon_given_up() {
    let requests = [asked(1, Some("a"), 5, 5), asked(2, Some("b"), 6, 6), asked(4, Some("c"), 7, 7)];
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.begin_again(Some(9), &requests);
    for (which, name) in requests.iter().zip(["a", "b", "c"]) {
        read(&mut all, which, &[(which.1.from.offset, name)]);
    }
    assert_eq!(due(&mut all, 0), of("a", 5));
    assert_eq!(due(&mut all, 0), of("b", 6));
    assert_eq!(all.failed(&user("a"), Duration::ZERO), None);
    all.done(&user("b"));
    assert_eq!((all.marks().resent, all.resent_too()), (None, vec![request(2)]));
    assert_eq!(due(&mut all, 0), of("c", 7));

    // The next life, whose view heard that mark: what is left of it is sent, and nothing else.
    let left = [requests[0].clone(), requests[2].clone()];
    let mut next = Deliveries::new(&all.marks(), Schedule::default());
    next.begin_again(Some(10), &left);
    read(&mut next, &left[0], &[(5, "a")]);
    read(&mut next, &left[1], &[(7, "c")]);
    assert_eq!((due(&mut next, 0), due(&mut next, 0), due(&mut next, 0)), (of("a", 5), of("c", 7), None));
    next.done(&user("c"));
    assert_eq!(next.resent_too(), [request(4)]);
    next.begin_again(Some(11), &left);
    assert_eq!(next.readings().len(), 1, "it is done with, though no mark says it yet");
    next.begin_again(Some(12), &left[..1]);
    assert!(next.resent_too().is_empty(), "the view knows it");
    assert!(!next.is_news(Some(12)) && !next.is_news(Some(11)) && next.is_news(Some(13)));
    next.begin_again(Some(11), &left);
    assert_eq!(next.readings().len(), 1, "one that was rolled back has it still");
    let (mut now, mut given_up) = (0, next.failed(&user("a"), Duration::ZERO));
    while given_up.is_none() {
        now += 1;
        if due(&mut next, now).is_some() {
            given_up = next.failed(&user("a"), Duration::from_secs(now));
        }
    }
    assert_eq!(given_up, Some(GivenUp { user: user("a"), at: at(5), attempts: AGAIN_ATTEMPTS }));
    assert!((15..=21).contains(&now), "{now} s");
    assert_eq!((next.marks().resent, next.waiting()), (Some(request(1)), 0));
}

#[test]
fn what_is_new_of_an_account_goes_before_what_is_sent_again_and_one_at_a_time() {
    let requests = [asked(1, Some("a"), 5, 6)];
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.begin_again(Some(9), &requests);
    read(&mut all, &requests[0], &[(5, "a"), (6, "a")]);
    assert_eq!(due(&mut all, 0), of("a", 5));
    all.take(NEW, vec![(1001, user("a"))], 1002);
    assert_eq!(due(&mut all, 0), None, "one is on its way");
    assert_eq!(all.failed(&user("a"), Duration::ZERO), None);
    assert_eq!(due(&mut all, 0), of("a", 1001), "it waits for no pause of what is sent again");
    assert_eq!(all.marks().behind, [(user("a"), at(1001), 0)]);
    assert_eq!(all.failed(&user("a"), Duration::ZERO), None);
    assert_eq!(due(&mut all, 3), None, "and what is sent again for the pause of what is new");
    assert_eq!(due(&mut all, 5), of("a", 1001));
    all.sent(&user("a"));
    for offset in [5, 6] {
        assert_eq!(due(&mut all, 5), of("a", offset));
        all.sent(&user("a"));
    }
    assert_eq!(all.marks(), MarksRow { next: vec![at(1002)], behind: Vec::new(), resent: Some(request(1)) });
}

#[test]
fn a_mark_names_so_many_that_are_done_with_before_an_earlier_one() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    let asked: Vec<_> = (1..15).map(|number| asked(number, Some(&format!("u{number}")), number, number)).collect();
    all.begin_again(Some(99), &asked);
    for (number, one) in (1..).zip(&asked).skip(1) {
        read(&mut all, one, &[(number, &format!("u{number}"))]);
        all.done(&user(&format!("u{number}")));
    }
    let named: Vec<Position> = (2..2 + u64::try_from(RESENT_TOO_MAX).unwrap()).map(request).collect();
    assert_eq!((all.marks().resent, all.resent_too()), (None, named));
}

#[test]
fn one_look_of_many_accounts_takes_no_room_of_what_is_new() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    let wide = asked(1, None, 0, 900);
    all.begin_again(Some(9), std::slice::from_ref(&wide));
    let accounts = (0..900).map(|number| (number, user(&format!("u{number}")))).collect();
    all.take(Source::Again(wide.0), accounts, 500);
    assert!(!all.has_room(Source::Again(wide.0)) && all.has_room(NEW));
}

#[test]
fn an_account_s_stretches_are_read_one_after_the_other_and_not_too_far_ahead() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    let asked = [asked(1, Some("a"), 0, 3_000), asked(2, Some("a"), 4_000, 4_000), asked(3, Some("b"), 5, 5)];
    all.begin_again(Some(9), &asked);
    let again = |all: &Deliveries| -> Vec<Source> {
        all.readings().into_iter().map(|one| one.source).filter(|one| *one != NEW).collect()
    };
    let source = |number: usize| Source::Again(asked[number].0);
    assert_eq!(again(&all), [source(0), source(2)]);
    all.take(source(0), (0..500).map(|offset| (offset, user("a"))).collect(), 500);
    let mut left = again(&all);
    left.sort();
    assert_eq!(left, [source(0), source(2)]);
    all.take(source(0), (500..1_000).map(|offset| (offset, user("a"))).collect(), 3_001);
    assert_eq!(again(&all), [source(2)], "what was read of it waits");
    assert_eq!(due(&mut all, 0), of("a", 0));
    all.sent(&user("a"));
    let mut left = again(&all);
    left.sort();
    assert_eq!(left, [source(1), source(2)]);
}

#[test]
fn what_is_sent_again_takes_half_of_the_room_and_one_account_never_all_of_that() {
    let mut all = Deliveries::new(&begun(), Schedule::default());
    let long = asked(1, Some("a"), 0, 900);
    let all_of_them = asked(2, None, 0, 900);
    all.begin_again(Some(9), &[long.clone(), all_of_them.clone()]);
    let is_read_on = |all: &Deliveries| {
        let source = Source::Again(long.0);
        all.readings().iter().any(|reading| reading.source == source)
    };
    let mut told = 0;
    while is_read_on(&all) {
        all.take(Source::Again(long.0), (told..told + 100).map(|offset| (offset % 900, user("a"))).collect(), 100);
        told += 100;
    }
    assert_eq!(all.waiting(), 1_000, "what is read of it waits for one another");
    for number in 1..u64::try_from(ACCOUNTS_MAX / 2).unwrap() {
        assert!(all.has_room(Source::Again(all_of_them.0)), "{number}");
        all.take(Source::Again(all_of_them.0), vec![(number, user(&format!("u{number}")))], number + 1);
    }
    assert!(!all.has_room(Source::Again(all_of_them.0)) && all.has_room(NEW));
    // And so many stretches at once, of which so many are read by turns.
    let many: Vec<_> = (1..60).map(|number| asked(number, Some("z"), 5, 5)).collect();
    let mut all = Deliveries::new(&begun(), Schedule::default());
    all.begin_again(Some(99), &many);
    let mut read_of = 0;
    loop {
        let sources: Vec<Source> = all.readings().into_iter().map(|one| one.source).filter(|one| *one != NEW).collect();
        if sources.is_empty() {
            break;
        }
        assert!(sources.len() <= 16);
        read_of += sources.len();
        sources.into_iter().for_each(|source| all.take(source, vec![(5, user("z"))], 6));
    }
    assert_eq!((read_of, all.waiting()), (40, 40));
}

proptest! {
    /// However often it begins anew from what was marked, every stretch is sent or given up, and none that was marked is sent.
    #[test]
    fn no_stretch_is_lost_and_none_that_was_marked_is_sent_again(
        names in proptest::collection::vec(0_u8..4, 1..30),
        steps in proptest::collection::vec(0_u8..8, 1..200),
    ) {
        let name = |number: u8| format!("u{number}");
        let asked: Vec<_> = (0..).zip(&names).map(|(n, of)| asked(n, Some(&name(*of)), n, n)).collect();
        let (mut kept, mut heard) = (asked.clone(), 0);
        let mut all = Deliveries::new(&begun(), Schedule::default());
        all.begin_again(Some(heard), &kept);
        let (mut marks, mut now, mut over) = (begun(), 0, std::collections::BTreeSet::new());
        for step in steps.into_iter().chain((0..400).map(|turn| if turn % 5 == 0 { 0 } else { 7 })) {
            match step {
                0 => {
                    marks = all.marks();
                    let too = all.resent_too();
                    kept.retain(|(request, _)| Some(*request) > marks.resent && !too.contains(request));
                    heard += 1;
                    all.begin_again(Some(heard), &kept);
                }
                1 => {
                    all = Deliveries::new(&marks, Schedule::default());
                    all.begin_again(Some(heard), &kept);
                }
                _ => {
                    for reading in all.readings() {
                        if let Source::Again(request) = reading.source {
                            let offset = request.offset;
                            let whose = user(&name(names[usize::try_from(offset).unwrap()]));
                            all.take(reading.source, vec![(offset, whose)], offset + 1);
                        }
                    }
                    now += 7;
                    if let Some(due) = all.due(Duration::from_secs(now)) {
                        prop_assert!(kept.iter().any(|(_, row)| row.from == due.at), "{due:?} was marked");
                        if step < 4 {
                            if all.failed(&due.user, Duration::from_secs(now)).is_some() {
                                over.insert(due.at);
                            }
                        } else {
                            all.sent(&due.user);
                            over.insert(due.at);
                        }
                    }
                }
            }
        }
        prop_assert_eq!(over.len(), names.len());
        prop_assert!(kept.is_empty());
    }
}
