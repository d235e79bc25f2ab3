//! Every file says in its first line what it is: `//!`.

use crate::sources::Workspace;
use crate::{Outcome, Problem, found, none};

#[test]
fn every_file_begins_with_what_it_is() -> Outcome {
    none(&heads(&Workspace::read()?));
    Ok(())
}

fn heads(workspace: &Workspace) -> Vec<Problem> {
    workspace
        .rust()
        .filter(|(_, text)| {
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|said| said.trim().len() < "Events.".len())
        })
        .map(|(path, _)| format!("{path}:1: begin with `//!` and a sentence that says what this file is"))
        .collect()
}

#[test]
fn the_rule_can_fail() {
    for text in ["", "use std::fmt;", "// An order.", "//!", "//! Crate", "\n//! What an order may do."] {
        assert_eq!(found(heads, &[("domain/src/order.rs", text)]).len(), 1, "{text}");
    }
    none(&found(heads, &[("domain/src/order.rs", "//! What an order may do.\n")]));
}
