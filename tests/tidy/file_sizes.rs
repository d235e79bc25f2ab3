//! Files stay small. The table is a ratchet: it may only shrink.

use crate::sources::Workspace;
use crate::{Outcome, Problem, found, none};

/// A longer file holds more than one idea.
const LINES_MAX: usize = 400;
/// Files that are longer, with the lines they have now: a file that got shorter takes its entry along.
const LONGER: &[(&str, usize)] = &[];

#[test]
fn files_stay_small() -> Outcome {
    none(&sizes(&Workspace::read()?));
    Ok(())
}

fn sizes(workspace: &Workspace) -> Vec<Problem> {
    against(workspace, LONGER)
}

fn against(workspace: &Workspace, longer: &[(&str, usize)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust() {
        let lines = text.lines().count();
        let allowed = longer.iter().find(|(named, _)| *named == path).map(|(_, lines)| *lines);
        match allowed {
            None if lines > LINES_MAX => {
                problems.push(format!("{path}: {lines} lines are more than {LINES_MAX}: split it by its ideas"));
            }
            Some(allowed) if lines > allowed => {
                problems.push(format!("{path}: grew from {allowed} to {lines} lines: split it by its ideas"));
            }
            Some(allowed) if lines < allowed => {
                problems.push(format!("{path}: is down to {lines} lines: lower its entry in LONGER, or remove it"));
            }
            _ => {}
        }
    }
    let gone = longer.iter().filter(|(path, lines)| workspace.text(path).is_none() || *lines <= LINES_MAX);
    problems.extend(gone.map(|(path, _)| format!("{path}: needs no entry in LONGER: remove it")));
    problems
}

#[test]
fn the_rule_can_fail() {
    let (long, longer) = ("x\n".repeat(LINES_MAX + 1), "x\n".repeat(LINES_MAX + 2));
    assert_eq!(found(sizes, &[("a.rs", &long)]).len(), 1);
    none(&found(sizes, &[("a.rs", &"x\n".repeat(LINES_MAX))]));

    let table = [("a.rs", LINES_MAX + 1)];
    none(&against(&Workspace::of(&[("a.rs", &long)]), &table));
    for text in [longer.as_str(), "x\n"] {
        assert_eq!(against(&Workspace::of(&[("a.rs", text)]), &table).len(), 1);
    }
    assert_eq!(against(&Workspace::of(&[]), &table).len(), 1);
    assert_eq!(against(&Workspace::of(&[("a.rs", "x\n")]), &[("a.rs", 1)]).len(), 1);
}
