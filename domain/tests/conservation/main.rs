//! No money is made or lost: random orders through the order aggregate, the accounts and the book.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod checks;
mod exchange;
mod fees;
mod steps;

use proptest::collection::vec;
use proptest::prelude::*;

use exchange::Exchange;
use steps::step;

proptest! {
    #[test]
    fn whatever_happens_money_only_moves(steps in vec(step(), 1..200)) {
        let mut exchange = Exchange::default();
        for step in &steps {
            exchange.take(step);
            checks::at_every_step(&exchange);
        }
        exchange.settle();
        checks::at_rest(&exchange);
    }
}

/// The property above means something only if much happens in its cases.
#[test]
fn the_random_steps_reach_every_outcome() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<&str, u64>::new();
    for _ in 0..200 {
        let steps = vec(step(), 200).new_tree(&mut runner).unwrap().current();
        let mut exchange = Exchange::default();
        steps.iter().for_each(|step| exchange.take(step));
        exchange.settle();
        for (outcome, count) in exchange.outcomes {
            *seen.entry(outcome).or_default() += count;
        }
    }
    let expected = [
        "amend rejected",
        "amended",
        "canceled",
        "expired",
        "expired while resting",
        "filled as maker",
        "filled as taker",
        "rejected",
    ];
    for outcome in expected {
        assert!(seen.get(outcome).is_some_and(|count| *count >= 20), "{outcome} is rare: {seen:?}");
    }
}
