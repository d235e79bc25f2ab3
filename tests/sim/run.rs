//! A run from its plan to its verdict, and a failing one made smaller.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::audit::{self, Seen};
use crate::plan::Plan;
use crate::trace::Trace;
use crate::world::{PANICKED, World};

/// How many smaller runs are tried before the smallest failing one is shown.
const TRIALS_MAX: usize = 400;

/// What became of a run.
pub(crate) struct Outcome {
    /// What is wrong, in words.
    pub(crate) finding: Option<String>,
    pub(crate) trace: Trace,
    pub(crate) seen: Seen,
}

/// Runs a plan. The same plan gives the same trace and the same finding.
pub(crate) fn run(plan: &Plan, with_words: bool) -> Outcome {
    let mut seen = Seen::new();
    let mut world = World::new(plan);
    if with_words {
        world.ground.log.keep_trace();
    }
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        world.live()?;
        world.settle()?;
        world.join_empty()?;
        audit::check(&world, &mut seen)
    }));
    let verdict = verdict.unwrap_or_else(|_| Err(PANICKED.with(|said| format!("a panic: {}", said.borrow()))));
    Outcome { finding: verdict.err(), trace: world.ground.log.trace(), seen }
}

/// The smallest plan found that fails too.
pub(crate) fn minimise(failing: &Plan) -> Plan {
    let (mut smallest, mut trials) = (*failing, 0);
    'smaller: loop {
        for plan in smallest.simpler() {
            trials += 1;
            if trials > TRIALS_MAX {
                return smallest;
            }
            if run(&plan, false).finding.is_some() {
                smallest = plan;
                continue 'smaller;
            }
        }
        return smallest;
    }
}
