//! The rules of the code that no compiler checks. Each says what to do, and each is shown to be able to fail.

mod sources;

mod crate_arrows;
mod docs_paths;
mod events_documented;
mod file_sizes;
mod guarantees;
mod imports;
mod module_heads;
mod one_binary;
mod words;

use std::error::Error;

use sources::Workspace;

/// What a test here returns: a failure to read the sources is a failure of the test.
type Outcome = Result<(), Box<dyn Error>>;

/// A broken rule: where, and what to do about it, in one line.
type Problem = String;

/// Fails with one line per problem.
#[track_caller]
fn none(problems: &[Problem]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// A workspace made of the given files, and the problems that a rule finds in it: shows that the rule can fail.
fn found(rule: fn(&Workspace) -> Vec<Problem>, files: &[(&str, &str)]) -> Vec<Problem> {
    rule(&Workspace::of(files))
}
