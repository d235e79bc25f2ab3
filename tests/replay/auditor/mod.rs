//! The auditor: reads a log at rest and says what must be true of it, with code of its own: plain maps, 128-bit integers
//! and JSON as it stands. It knows the stages' rules from their description, not from their code.

mod intake;
mod money;
mod records;

use std::collections::BTreeMap;

use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::EventLog;
use orderledger_tests::stages::{PARTITIONS, all_partitions};

use crate::Seen;
use intake::Intake;
use money::{Money, Order, Who};
use records::{Kind, Rec};

/// What the log tells, of all partitions together.
pub(crate) struct Story {
    available: BTreeMap<Who, i128>,
    pub(crate) orders: BTreeMap<Who, Order>,
}

impl Story {
    /// Available and reserved of every user and asset where there is any.
    pub(crate) fn balances(&self) -> BTreeMap<Who, (i128, i128)> {
        let mut balances: BTreeMap<Who, (i128, i128)> = BTreeMap::new();
        for (who, units) in &self.available {
            balances.entry(who.clone()).or_default().0 += units;
        }
        for order in self.orders.values() {
            balances.entry((order.user.clone(), order.held_asset())).or_default().1 += order.held + order.extra();
        }
        balances.retain(|_, units| *units != (0, 0));
        balances
    }
}

/// Audits the whole log; panics at what must not be.
pub(crate) fn audit(log: &dyn EventLog, key: &StreamKey, seen: &Seen) -> Story {
    for of in all_partitions() {
        records::check_streams(&records::read(log, of, key));
    }
    let mut story = Story { available: BTreeMap::new(), orders: BTreeMap::new() };
    let mut sums = BTreeMap::<String, i128>::new();
    for partition in 0..PARTITIONS {
        let of = orderledger_domain::position::Topic::Orders.at(partition);
        let all = records::read(log, of, key);
        let repeats = all.iter().filter(|rec| rec.kind == Kind::Repeat).count();
        seen.add("repeats in the log", u64::try_from(repeats).unwrap());
        let money = check_partition(&all, partition, seen, &mut sums);
        story.available.extend(money.available);
        story.orders.extend(money.orders);
    }
    check_sums(&story, sums);
    story
}

/// One partition of `orders`: every request answered once and rightly, and what that comes to.
fn check_partition(all: &[Rec], partition: u32, seen: &Seen, sums: &mut BTreeMap<String, i128>) -> Money {
    let answers = answers_by_request(all, partition);
    let (mut intake, mut view) = (Intake::new(partition), Money::default());
    let mut asked = 0;
    for rec in all {
        match rec.kind {
            Kind::Repeat | Kind::Early => {}
            Kind::Outside => {
                let answer = answers.get(&rec.offset);
                let answer = answer.unwrap_or_else(|| panic!("{rec:?} was never answered"));
                intake.judge(rec, answer);
                asked += 1;
            }
            Kind::Next => {
                seen.add(&rec.event_type, 1);
                intake.read(rec);
                view.apply(rec);
                book_outside(rec, sums);
            }
        }
    }
    assert_eq!(asked, answers.len(), "an answer that nobody asked for");
    check_at_rest(&view, intake.money());
    view
}

/// Intake's answers by the offset of what they answer: one each.
fn answers_by_request(all: &[Rec], partition: u32) -> BTreeMap<u64, &Rec> {
    let mut answers = BTreeMap::new();
    for rec in all.iter().filter(|rec| rec.kind == Kind::Next) {
        let stamp = rec.stamp.as_ref().unwrap();
        if stamp.stream == ("orders".to_owned(), partition) {
            assert!(stamp.cause_offset < rec.offset, "answered before it was asked: {rec:?}");
            let before = answers.insert(stamp.cause_offset, rec);
            assert!(before.is_none(), "answered twice: {before:?} {rec:?}");
        }
    }
    answers
}

fn book_outside(rec: &Rec, sums: &mut BTreeMap<String, i128>) {
    let sign = match rec.event_type.as_str() {
        "AccountCredited" => -1,
        "AccountDebited" => 1,
        _ => return,
    };
    *sums.entry(rec.text("asset")).or_default() += sign * rec.units("amount");
}

/// At rest: intake and view agree, no amend is undecided, closed orders hold nothing and live ones what they need.
fn check_at_rest(view: &Money, intake: &Money) {
    let nonzero = |money: &Money| -> BTreeMap<Who, i128> {
        money.available.iter().filter(|(_, units)| **units != 0).map(|(who, units)| (who.clone(), *units)).collect()
    };
    assert_eq!(nonzero(view), nonzero(intake), "view and intake differ");
    assert_eq!(view.orders, intake.orders, "view and intake know other orders");
    for order in view.orders.values() {
        assert!(order.undecided.is_empty(), "an amend was never decided: {order:?}");
        if order.open {
            assert!(order.rests, "{order:?} rests");
            assert_eq!(order.held, order.need(order.price, order.leaves), "held is not the need: {order:?}");
        } else {
            assert_eq!(order.held, 0, "held for a closed order: {order:?}");
        }
    }
}

fn check_sums(story: &Story, mut sums: BTreeMap<String, i128>) {
    for ((_, asset), (available, reserved)) in story.balances() {
        *sums.entry(asset).or_default() += available + reserved;
    }
    *sums.entry("USD".to_owned()).or_default() += story.orders.values().map(|order| order.charged).sum::<i128>();
    assert!(sums.values().all(|sum| *sum == 0), "not zero-sum: {sums:?}");
}
