//! A pass over a log that grows: what is appended meanwhile is neither folded nor passed over, and a pass goes as far as it
//! is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_projections::audit::Audit;
use orderledger_projections::rebuild::fold_to_end;
use orderledger_projections::rebuild::pass::{Ends, Pass};
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};
use orderledger_store::views::{Schema, View};

const FIRST: TopicPartition = Topic::Orders.at(0);

fn append(log: &MemoryLog, value: &'static [u8]) {
    append_all(log, FIRST, 1, value);
}

fn append_all(log: &MemoryLog, to: TopicPartition, count: usize, value: &'static [u8]) {
    let (done, acknowledged) = std::sync::mpsc::channel();
    let value = Some(bytes::Bytes::from_static(value));
    let record = NewRecord { to, key: None, value, headers: Vec::new() };
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(vec![record; count], Box::new(move |result| done.send(result).unwrap())).unwrap();
    acknowledged.recv().unwrap().unwrap();
}

fn folding<F: Fold + 'static>(log: &MemoryLog, key: &StreamKey) -> Box<dyn AnyFolding> {
    let view = Arc::new(View::in_memory(Schema { name: F::NAME, version: F::SCHEMA }));
    Box::new(Folding::<F>::resume(view, log, key, "memory").unwrap())
}

fn audit(log: &MemoryLog, key: &StreamKey) -> Vec<Box<dyn AnyFolding>> {
    vec![folding::<Audit>(log, key)]
}

#[test]
fn records_appended_meanwhile_are_left_for_the_next_pass() {
    let log = MemoryLog::new(1).unwrap();
    append(&log, b"one");
    log.skip_offsets(FIRST, 1).unwrap();
    let key = StreamKey::default();
    let mut foldings = audit(&log, &key);
    let mut grown = false;
    let mut grow = |_| {
        if !std::mem::replace(&mut grown, true) {
            append(&log, b"two");
        }
    };
    let first = fold_to_end(&log, &key, &mut foldings, &mut grow).unwrap();
    assert_eq!(first.records, 1);
    let from: BTreeMap<_, _> = foldings.iter().flat_map(|folding| folding.positions()).collect();
    assert_eq!(from.get(&FIRST), Some(&2));
    let second = fold_to_end(&log, &key, &mut foldings, &mut |_| {}).unwrap();
    assert_eq!(second.records, 1, "the record appended meanwhile was passed over");
}

/// However much of another partition is there beyond what is wanted of it, and must not be kept.
#[test]
fn a_pass_goes_as_far_as_it_is_told_and_later_further() {
    const SECOND: TopicPartition = Topic::Orders.at(1);
    const MANY: usize = 120_000;
    let (log, key) = (MemoryLog::new(2).unwrap(), StreamKey::default());
    append_all(&log, FIRST, MANY, b"first");
    append_all(&log, SECOND, MANY, b"second");
    let mut foldings = audit(&log, &key);
    let mut pass = Pass::begin(&log, &key, &mut foldings).unwrap();
    let many = u64::try_from(MANY).unwrap();
    for (first, second) in [(many, 10), (many, 10), (many, 11), (many, many)] {
        let ends = Ends::from([(FIRST, first), (SECOND, second)]);
        while !pass.step(&mut foldings, &ends).unwrap() {}
        assert_eq!((pass.passed().records, pass.passed().left), (first + second, 0));
        let at: Ends = foldings.iter().flat_map(|folding| folding.positions()).collect();
        assert_eq!((at.get(&FIRST), at.get(&SECOND)), (Some(&first), Some(&second)));
    }
    let mut whole = audit(&log, &key);
    fold_to_end(&log, &key, &mut whole, &mut |_| {}).unwrap();
    let digest = |foldings: &[Box<dyn AnyFolding>]| foldings.first().unwrap().digest().unwrap().digest;
    assert_eq!(digest(&foldings), digest(&whole));
}

/// The reading doesn't wait for a folding that takes no more, and that one commits nothing.
#[cfg(feature = "faults")]
#[test]
fn a_folding_that_fails_ends_the_pass_with_what_it_says() {
    use orderledger_projections::worker::poison;
    const MANY: usize = 100_000;
    let (log, key) = (MemoryLog::new(1).unwrap(), StreamKey::default());
    append_all(&log, FIRST, MANY, b"one");
    poison::here([(Audit::NAME.to_owned(), FIRST.offset(5_000))].into());
    let mut foldings = audit(&log, &key);
    let failed = fold_to_end(&log, &key, &mut foldings, &mut |_| {}).unwrap_err().to_string();
    poison::here(poison::Poison::new());
    assert_eq!(failed, "orders-0@5000: it is poisoned");
    assert_eq!(foldings.first().unwrap().view().reader().unwrap().head().len(), 0, "nothing was committed");
}

/// However long each takes with what it was given.
#[test]
fn all_foldings_of_a_pass_stand_at_the_same_place_when_a_step_ends() {
    const MANY: usize = 150_000;
    let (log, key) = (MemoryLog::new(1).unwrap(), StreamKey::default());
    append_all(&log, FIRST, MANY, b"{\"eventId\": 7}");
    let mut foldings = vec![folding::<Settlement>(&log, &key), folding::<Audit>(&log, &key)];
    let mut pass = Pass::begin(&log, &key, &mut foldings).unwrap();
    let ends = Ends::from([(FIRST, u64::try_from(MANY).unwrap())]);
    let mut steps = Vec::new();
    loop {
        let is_there = pass.step(&mut foldings, &ends).unwrap();
        let positions = foldings.iter().flat_map(|folding| folding.positions());
        let at: Vec<u64> = positions.filter(|(of, _)| *of == FIRST).map(|(_, offset)| offset).collect();
        assert_eq!(at.len(), foldings.len());
        assert!(at.iter().all(|offset| *offset == pass.passed().records), "{at:?} {:?}", pass.passed());
        steps.push(pass.passed().records);
        if is_there {
            break;
        }
    }
    assert_eq!(steps.last(), ends.get(&FIRST), "{steps:?}");
}
