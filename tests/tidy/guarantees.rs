//! Every test that docs/GUARANTEES.md names is there: a promise whose test was renamed or dropped is none.

use crate::sources::Workspace;
use crate::{Outcome, Problem, found, none};

const PAGE: &str = "docs/GUARANTEES.md";

#[test]
fn every_test_that_is_named_is_there() -> Outcome {
    none(&tests_named(&Workspace::read()?));
    Ok(())
}

fn tests_named(workspace: &Workspace) -> Vec<Problem> {
    let page = workspace.text(PAGE).unwrap_or_default();
    let rows = page.lines().filter(|line| line.starts_with("| "));
    // A test's name is a sentence: nothing else between such quotes has so many words.
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|name| name.matches('_').count() >= 3);
    let is_there = |name: &str| workspace.rust().any(|(_, text)| text.contains(&format!("fn {name}(")));
    names.filter(|name| !is_there(name)).map(|name| format!("{PAGE}: there is no test {name}")).collect()
}

#[test]
fn the_rule_can_fail() {
    let page = (PAGE, "| a fault | a word_of_two | `nothing_is_ever_lost` | `--seed 1` |");
    assert_eq!(found(tests_named, &[page]).len(), 1);
    none(&found(tests_named, &[page, ("tests/e2e/a.rs", "fn nothing_is_ever_lost() {}")]));
}
