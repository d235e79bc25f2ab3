//! Many seeds: until one fails, which is then shown small and how to repeat it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::arguments::fresh_seed;
use crate::audit::Seen;
use crate::plan::Plan;
use crate::regressions::REGRESSIONS;
use crate::run::{Outcome, minimise, run};
use crate::say;

/// After how many seeds a long search says how far it is.
const SAID_EVERY: u64 = 5_000;

/// What a search found.
pub(crate) struct Found {
    pub(crate) plan: Plan,
    pub(crate) finding: String,
    /// The how many-th seed it was.
    pub(crate) after: u64,
}

/// Runs seeds from `from` on, on that many threads, until one fails.
pub(crate) fn search(from: u64, seeds: u64, threads: u64, seen: &Mutex<Seen>) -> Option<Found> {
    let (next, failed, found) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    if number > 0 && number.is_multiple_of(SAID_EVERY) {
                        say(&format!("{number} of {seeds} seeds are begun, none has failed"));
                    }
                    let plan = Plan::of(from + number);
                    let Outcome { finding, seen: of_run, .. } = run(&plan, false);
                    let mut seen = seen.lock().unwrap();
                    of_run.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
                    drop(seen);
                    if let Some(finding) = finding {
                        failed.store(true, Ordering::Relaxed);
                        found.lock().unwrap().get_or_insert(Found { plan, finding, after: number + 1 });
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

/// The regressions, then many seeds. True if all are clean.
pub(crate) fn many(from: Option<u64>, seeds: u64, threads: u64) -> bool {
    for (plan, what) in REGRESSIONS {
        if let Some(finding) = run(plan, false).finding {
            say(&format!("{what}, once more: {finding}\n{}", plan.command()));
            return false;
        }
    }
    let from = from.unwrap_or_else(fresh_seed);
    say(&format!("{} regressions are clean; {seeds} seeds from {from} on", REGRESSIONS.len()));
    let (begun, seen) = (Instant::now(), Mutex::new(Seen::new()));
    let found = search(from, seeds, threads, &seen);
    let Some(found) = found else {
        let ms = begun.elapsed().as_secs_f64() * 1000.0 / seeds.max(1) as f64;
        say(&format!("{seeds} seeds are clean, {ms:.1} ms each"));
        for (what, count) in seen.into_inner().unwrap() {
            say(&format!("  {count:>10} {what}"));
        }
        return true;
    };
    explain(&found.plan, &found.finding);
    false
}

/// Says what a failing plan found, whether it repeats, and the smallest that fails too.
fn explain(plan: &Plan, finding: &str) {
    say(&format!("seed {} fails: {finding}", plan.seed));
    let again = [run(plan, false), run(plan, false)];
    let [one, other] = again.each_ref().map(|outcome| outcome.trace.digest());
    say(&format!(
        "its trace is {one:016x}, and {}",
        if one == other { "again so" } else { "another one the next time" }
    ));
    let small = minimise(plan);
    if small != *plan {
        say(&format!("a smaller run fails too: {}", run(&small, false).finding.unwrap_or_default()));
    }
    say(&format!("repeat it: {}", small.command()));
}
