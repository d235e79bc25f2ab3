//! Inside a crate: a projection names no other, a command names no query, `domain` names no machine.

use crate::sources::{Workspace, code};
use crate::{Outcome, Problem, found, none};

/// The consumer groups: each a folder of `projections/src`, each to be understood and rebuilt alone.
const GROUPS: [&str; 7] = ["intake", "matching", "settlement", "market", "audit", "analytics", "notifications"];
/// What a fold must not reach for.
const MACHINE: [&str; 9] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "async fn",
    ".await",
];

#[test]
fn no_projection_imports_another() -> Outcome {
    none(&projections(&Workspace::read()?));
    Ok(())
}

#[test]
fn no_command_imports_a_query() -> Outcome {
    none(&commands(&Workspace::read()?));
    Ok(())
}

#[test]
fn domain_names_no_machine() -> Outcome {
    none(&domain(&Workspace::read()?));
    Ok(())
}

fn projections(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust() {
        let Some(inside) = path.strip_prefix("projections/src/") else { continue };
        let Some(own) = GROUPS.iter().find(|group| inside.starts_with(&format!("{group}/"))) else { continue };
        for other in paths_from_above(text).iter().filter(|name| GROUPS.contains(&name.as_str()) && name != own) {
            problems.push(format!("{path}: `{own}` names `{other}`: move what both need out of either"));
        }
    }
    problems
}

fn commands(workspace: &Workspace) -> Vec<Problem> {
    let in_commands = workspace.rust().filter(|(path, _)| path.starts_with("api/src/commands"));
    in_commands
        .filter(|(_, text)| paths_from_above(text).iter().any(|name| name == "queries"))
        .map(|(path, _)| format!("{path}: a command names `queries`: read from the projection instead"))
        .collect()
}

fn domain(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust().filter(|(path, _)| path.starts_with("domain/src/")) {
        for (number, line) in code(text).lines().enumerate() {
            for word in MACHINE.iter().filter(|word| line.contains(**word)) {
                problems.push(format!("{path}:{}: `{word}`: a fold takes it as an argument", number + 1));
            }
        }
    }
    problems
}

/// The names that follow `crate::` or `super::`, alone or in braces.
fn paths_from_above(text: &str) -> Vec<String> {
    let code: String = code(text).chars().filter(|c| !c.is_whitespace()).collect();
    let mut names = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let after = code.get(at + root.len()..).unwrap_or_default();
            match after.strip_prefix('{') {
                Some(group) => names.extend(heads(group)),
                None => names.push(ident(after)),
            }
        }
    }
    names
}

/// The first name of each path of a brace group that has just been opened.
fn heads(group: &str) -> Vec<String> {
    let mut names = vec![ident(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(ident(group.get(at + 1..).unwrap_or_default())),
            _ => {}
        }
    }
    names
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_rules_can_fail() {
    for text in [
        "use crate::market::Row;",
        "use crate::{\n    settlement::{self, Row},\n    market::Row,\n};",
        "fn f() { super::super::market::f(); }",
    ] {
        assert_eq!(found(projections, &[("projections/src/settlement/fold.rs", text)]).len(), 1, "{text}");
    }
    let right = "use crate::{worker::Run, settlement::{market, Row}}; // not crate::market";
    none(&found(projections, &[("projections/src/settlement/fold.rs", right)]));
    none(&found(projections, &[("projections/src/lib.rs", "use crate::market::Row;")]));

    for (path, text) in [
        ("api/src/commands/orders.rs", "use crate::queries::orders;"),
        ("api/src/commands/mod.rs", "use super::{ops, queries};"),
    ] {
        assert_eq!(found(commands, &[(path, text)]).len(), 1, "{path}");
    }
    none(&found(commands, &[("api/src/routes.rs", "use crate::queries::orders;")]));

    for text in ["let t = std::time::Instant::now();", "use std::fs::File;", "pub async fn f() {}"] {
        assert_eq!(found(domain, &[("domain/src/order.rs", text)]).len(), 1, "{text}");
    }
}
