//! The simulation: stages, projections, log, network, disks and clock in one thread, ruled by a seed.
//!
//! ```text
//! simulation --seeds 300                     that many seeds from a fresh one on, then the regressions
//! simulation --seeds 100000 --threads 2      the long form; `--from N` begins there
//! simulation --seed N [--trace]              one seed; with --faults, --requests, --users, --symbols a part of it
//! simulation --planted all                   after how many seeds each planted bug is found
//! ```
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod arguments;
mod audit;
mod clients;
mod disk;
mod faults;
mod flow;
mod log;
mod machine;
mod operator;
mod plan;
mod planted;
mod regressions;
mod run;
mod search;
mod trace;
mod world;

use std::io::Write;
use std::process::ExitCode;

use arguments::{Arguments, Wish};
use plan::Plan;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| world::PANICKED.with(|said| *said.borrow_mut() = panic.to_string())));
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            say(&what);
            return ExitCode::from(2);
        }
    };
    let clean = match arguments.wish {
        Wish::One(plan) => one(&plan, arguments.trace),
        Wish::Many { from, seeds } => search::many(from, seeds, arguments.threads),
        Wish::Planted { bug, seeds } => planted::table(bug.as_deref(), seeds, arguments.threads),
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one plan twice: the second time must be the same.
fn one(plan: &Plan, trace: bool) -> bool {
    let (first, second) = (run::run(plan, trace), run::run(plan, false));
    first.trace.words().iter().for_each(|words| say(words));
    let (trace, again) = (first.trace.digest(), second.trace.digest());
    say(&format!("seed {}: trace {trace:016x}", plan.seed));
    if trace != again || first.finding != second.finding {
        say(&format!("not repeatable: the second run has trace {again:016x}"));
        return false;
    }
    match first.finding {
        None => true,
        Some(finding) => {
            say(&finding);
            false
        }
    }
}

/// Writes a line to stdout.
fn say(line: &str) {
    // Nobody reads it if stdout is gone.
    let _ = writeln!(std::io::stdout(), "{line}");
}
