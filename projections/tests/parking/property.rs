//! Days of the real stages with poisoned records, seed by seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::market::Market;
use orderledger_projections::parking::queries;
use orderledger_projections::rebuild::difference::first_difference;
use orderledger_projections::rebuild::fold_to_end;
use orderledger_projections::settlement::Settlement;
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::{Folding, states_of};
use orderledger_store::event_log::MemoryLog;
use orderledger_store::views::{Direction, Schema, View};

use crate::days;
use crate::live::Live;
use crate::naive;
use crate::operators::{Dice, log_of, one_at_a_time, some_records};

/// What a seed came to, so that the test can say that it tested something.
#[derive(Debug, Default)]
struct Seen {
    parked: usize,
    waiting: u64,
    discarded: usize,
    fixed: usize,
    restarts_that_lost: u32,
}

pub(crate) fn rebuilt<F: Fold + 'static>(log: &MemoryLog) -> Arc<View> {
    let view = Arc::new(View::in_memory(Schema { name: F::NAME, version: F::SCHEMA }));
    let key = StreamKey::default();
    let folding = Folding::<F>::resume(Arc::clone(&view), log, &key, "memory").unwrap();
    let mut foldings: Vec<Box<dyn AnyFolding>> = vec![Box::new(folding)];
    fold_to_end(log, &key, &mut foldings, &mut |_| {}).unwrap();
    view
}

fn check<F: Fold + 'static>(seed: u64, topic: Topic, one_in: u64, batch: u64, decisions: u32, seen: &mut Seen) {
    let mut market = days::Market::new(seed);
    market.day();
    let log = log_of(&market.log);
    let mut dice = Dice(seed.wrapping_mul(77).wrapping_add(batch));
    let poison = some_records(&log, topic, &mut dice, one_in);
    let poisoned = poison.len();
    let mut live = Live::<F>::new(&log, poison, dice.below(1 << 40));
    live.run(batch, decisions);

    let what = format!("{} seed {seed} batch {batch}", F::NAME);
    let reader = live.view.reader().unwrap();
    let (rows, parked) = naive::fold::<F>(&log, &live.poison, &live.discards);
    let found = queries::parked_entities(&reader, None, usize::MAX, Direction::Ascending).unwrap();
    let found_heads: BTreeMap<_, _> =
        found.iter().map(|it| (it.entity.name().to_owned(), (it.row.head, it.row.waiting))).collect();
    assert_eq!(found_heads, parked, "{what}");
    assert!(naive::rows(&reader) == rows, "{what}: rows differ from the model's");
    for parked in &found {
        let waiting = queries::queue(&reader, &parked.entity, 0, usize::MAX).unwrap();
        assert_eq!(u64::try_from(waiting.len()).unwrap(), parked.row.waiting, "{what}");
        assert!(waiting.is_sorted() && waiting.first() == Some(&parked.row.head), "{what}");
    }

    let again = rebuilt::<F>(&log);
    assert_eq!(first_difference(&live.view, &again).unwrap(), None, "{what}");
    let (digest, digest_again) = (live.view.compute_digest().unwrap(), again.compute_digest().unwrap());
    assert_eq!(digest.digest, digest_again.digest, "{what}");
    let (states, states_again) = (states_of(&digest.head).unwrap(), states_of(&digest_again.head).unwrap());
    assert_eq!(states, states_again, "{what}: positions, marks and accounting");

    seen.parked += found.len();
    seen.waiting += found.iter().map(|it| it.row.waiting).sum::<u64>();
    seen.discarded += live.discards.len();
    seen.fixed += poisoned - live.poison.len();
    seen.restarts_that_lost += live.restarts.1;
}

#[test]
fn accounts_are_those_of_the_naive_pass_and_of_a_rebuild_whatever_is_parked_and_decided() {
    let (mut seen, _turn) = (Seen::default(), one_at_a_time());
    for seed in 0..4 {
        for batch in [1, 7, 1000] {
            let decisions = 40 * u32::try_from(seed % 3).unwrap();
            check::<Settlement>(seed, Topic::Orders, 60, batch, decisions, &mut seen);
        }
    }
    let Seen { parked, waiting, discarded, fixed, restarts_that_lost } = seen;
    assert!(parked > 30 && waiting > 2000 && discarded > 20 && fixed > 10 && restarts_that_lost > 50, "{seen:?}");
}

#[test]
fn markets_are_those_of_the_naive_pass_and_of_a_rebuild_whatever_is_parked_and_decided() {
    let (mut seen, _turn) = (Seen::default(), one_at_a_time());
    for seed in 10..16 {
        for batch in [1, 7, 1000] {
            let decisions = 20 * u32::try_from(seed % 3).unwrap();
            check::<Market>(seed, Topic::Trades, 6, batch, decisions, &mut seen);
        }
    }
    assert!(seen.parked > 10 && seen.discarded > 10 && seen.fixed > 5, "{seen:?}");
}
