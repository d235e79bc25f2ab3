//! Random flow through the stages with crashes; an auditor that shares none of their code looks at what stands in the log
//! afterwards, and the projections fold it in other batches and other orders to the same rows.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod crashes;
mod flow;
mod folds;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use orderledger_tests::auditor::{Keys, Log, audit};

const SEEDS: u64 = 20;
/// With `ORDERLEDGER_LONG` set.
const SEEDS_LONG: u64 = 500;
/// The stages of a seed mostly wait: some run beside each other.
const BESIDE_EACH_OTHER: u64 = 4;

/// What all seeds together did; a test of little proves little.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, u64>>);

impl Seen {
    fn add(&self, what: &str, count: u64) {
        *self.0.lock().unwrap().entry(what.to_owned()).or_default() += count;
    }
}

#[test]
fn whatever_crashes_the_log_tells_one_story_and_every_fold_tells_it_alike() {
    let seeds = if std::env::var_os("ORDERLEDGER_LONG").is_some() { SEEDS_LONG } else { SEEDS };
    let (next, seen) = (AtomicU64::new(0), Seen::default());
    std::thread::scope(|scope| {
        for _ in 0..BESIDE_EACH_OTHER {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    one(seed, &seen);
                }
            });
        }
    });
    let seen = seen.0.into_inner().unwrap();
    for (what, per_seed) in [
        ("OrderFilled", 20),
        ("OrderAmended", 5),
        ("AmendRejected", 5),
        ("OrderExpired", 5),
        ("OrderCanceled", 4),
        ("DuplicateIgnored", 3),
        ("RecordRefused", 5),
        ("WithdrawalRejected", 1),
        ("FeeScheduleSet", 3),
        ("RulesVersionSet", 2),
        ("self trades under rules 1", 1),
        ("self trades under rules 2", 1),
        ("crashes", 3),
        ("batches lost", 2),
        ("repeats in the log", 10),
        ("records matched", 50),
    ] {
        let count = seen.get(what).copied().unwrap_or_default();
        assert!(count >= per_seed * seeds, "{what}: {count} in {seeds} seeds is little: {seen:?}");
    }
}

/// One seed: a failure names it.
fn one(seed: u64, seen: &Seen) {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let world = crashes::run(seed, seen);
        let audit = audit(&Log::of(&*world.log).unwrap(), &Keys { secret: world.secret });
        assert!(audit.findings.is_empty(), "{}", audit.findings);
        audit.seen.iter().for_each(|(what, count)| seen.add(what, *count));
        folds::agree(seed, &world, &audit.story);
    }));
    assert!(result.is_ok(), "seed {seed} fails, see above");
}
