//! domain ◄ store ◄ projections ◄ api ◄ tests: who may depend on whom, and on what from outside.

use toml::{Table, Value};

use crate::sources::{CRATES, Workspace, code};
use crate::{Outcome, Problem, found, none};

const INTERNAL: &str = "orderledger-";
/// All that `domain` may use: no IO, no async, no clock, no random.
const DOMAIN_MAY: [&str; 10] =
    ["chrono", "hashbrown", "insta", "proptest", "schemars", "serde", "serde_json", "siphasher", "thiserror", "uuid"];
/// Named by `store` alone.
const STORE_ALONE: [&str; 4] = ["rdkafka", "redb", "sled", "bincode"];
/// HTTP and the command line: `api` and what looks at it from outside.
const EDGE_ALONE: [&str; 9] =
    ["axum", "clap", "hyper", "hyper-util", "indicatif", "tower", "tower-http", "ureq", "utoipa"];

#[test]
fn crates_depend_only_along_the_arrows() -> Outcome {
    none(&dependencies(&Workspace::read()?));
    Ok(())
}

#[test]
fn only_store_names_the_log_and_the_view_libraries() -> Outcome {
    none(&names(&Workspace::read()?));
    Ok(())
}

#[test]
fn the_members_are_the_five_crates() -> Outcome {
    let workspace = Workspace::read()?;
    let manifest: Table = workspace.text("Cargo.toml").unwrap_or_default().parse()?;
    let members = manifest.get("workspace").and_then(|table| table.get("members")).cloned();
    assert_eq!(members, Some(Value::Array(CRATES.iter().copied().map(Value::from).collect())));
    Ok(())
}

fn dependencies(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, name) in CRATES.iter().enumerate() {
        let path = format!("{name}/Cargo.toml");
        let Some(text) = workspace.text(&path) else { continue };
        match text.parse::<Table>() {
            Ok(manifest) => {
                for dependency in of_all_kinds(&manifest) {
                    if let Some(why) = forbidden(name, at, &dependency) {
                        problems.push(format!("{path}: `{dependency}`: {why}"));
                    }
                }
            }
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    problems
}

fn of_all_kinds(manifest: &Table) -> Vec<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let per_target = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(per_target.filter_map(Value::as_table));
    tables
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind).and_then(Value::as_table)))
        .flat_map(Table::iter)
        .map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned())
        .collect()
}

fn forbidden(name: &str, at: usize, dependency: &str) -> Option<&'static str> {
    if let Some(internal) = dependency.strip_prefix(INTERNAL) {
        let below = CRATES.iter().take(at).any(|lower| *lower == internal);
        return (!below).then_some("the arrow goes the other way");
    }
    if name == "domain" && !DOMAIN_MAY.contains(&dependency) {
        return Some("domain is pure and has a closed list of dependencies");
    }
    if name != "store" && STORE_ALONE.contains(&dependency) {
        return Some("only store may name it");
    }
    if ["store", "projections"].contains(&name) && EDGE_ALONE.contains(&dependency) {
        return Some("HTTP and the command line belong to api");
    }
    None
}

fn names(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust().filter(|(path, _)| !path.starts_with("store/")) {
        for (number, line) in code(text).lines().enumerate() {
            for name in STORE_ALONE.iter().filter(|name| line.contains(&format!("{name}::"))) {
                problems.push(format!("{path}:{}: only store may name `{name}`", number + 1));
            }
        }
    }
    problems
}

#[test]
fn the_rules_can_fail() {
    for (path, text) in [
        ("domain/Cargo.toml", "[dependencies]\norderledger-store.workspace = true"),
        ("domain/Cargo.toml", "[dependencies]\ntokio = \"1\""),
        ("store/Cargo.toml", "[dev-dependencies]\norderledger-tests.workspace = true"),
        ("store/Cargo.toml", "[dependencies]\norderledger-projections.workspace = true"),
        ("projections/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nsled = \"0.34\""),
        ("projections/Cargo.toml", "[dependencies]\naxum = \"0.8\""),
        ("api/Cargo.toml", "[build-dependencies]\nkafka = { package = \"rdkafka\", version = \"0.39\" }"),
        ("api/Cargo.toml", "not toml"),
    ] {
        assert_eq!(found(dependencies, &[(path, text)]).len(), 1, "{path}: {text}");
    }
    let right = "[dependencies]\norderledger-domain.workspace = true\nsled.workspace = true";
    none(&found(dependencies, &[("store/Cargo.toml", right)]));

    let wrong = "use std::fmt;\nfn f() { let _ = sled::open(1); }";
    assert_eq!(found(names, &[("api/src/a.rs", wrong)]), ["api/src/a.rs:2: only store may name `sled`"]);
    none(&found(names, &[("store/src/a.rs", wrong), ("api/src/a.rs", "//! As sled::open does.")]));
}
