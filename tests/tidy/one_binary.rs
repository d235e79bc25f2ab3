//! `cargo run --release -- demo` at the root needs no name of a package: there the program is the only binary. It is built
//! without the crate `tests`, which asks for faults on demand.

use toml::{Table, Value};

use crate::sources::{CRATES, Workspace};
use crate::{Outcome, Problem, found, none};

#[test]
fn the_root_builds_the_program_alone() -> Outcome {
    none(&binaries(&Workspace::read()?));
    none(&default_members(&Workspace::read()?));
    Ok(())
}

fn binaries(workspace: &Workspace) -> Vec<Problem> {
    let mut found = Vec::new();
    for name in CRATES.into_iter().filter(|name| *name != "tests") {
        let manifest: Table = workspace.text(&format!("{name}/Cargo.toml")).unwrap_or("").parse().unwrap_or_default();
        let named = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
        found.extend(
            named.filter_map(|bin| bin.get("name").and_then(Value::as_str)).map(|bin| format!("{name}: {bin}")),
        );
        if workspace.has(&format!("{name}/src/main.rs")) {
            found.push(format!("{name}: {name}/src/main.rs"));
        }
    }
    if found == ["api: orderledger"] {
        return Vec::new();
    }
    vec![format!("the binaries are {found:?}: README's first command needs `orderledger` of `api` alone")]
}

fn default_members(workspace: &Workspace) -> Vec<Problem> {
    let manifest: Table = workspace.text("Cargo.toml").unwrap_or_default().parse().unwrap_or_default();
    let members = manifest.get("workspace").and_then(|table| table.get("default-members")).cloned();
    if members == Some(Value::Array(vec![Value::from("api")])) {
        return Vec::new();
    }
    vec![format!("default-members are {members:?}: with `tests` among them the program would have faults on demand")]
}

#[test]
fn the_rules_can_fail() {
    let ours = ("api/Cargo.toml", "[[bin]]\nname = \"orderledger\"");
    none(&found(binaries, &[ours]));
    none(&found(binaries, &[ours, ("tests/Cargo.toml", "[[bin]]\nname = \"laboratory\"")]));
    assert_eq!(found(binaries, &[]).len(), 1);
    assert_eq!(found(binaries, &[ours, ("domain/Cargo.toml", "[[bin]]\nname = \"load\"")]).len(), 1);
    assert_eq!(found(binaries, &[ours, ("store/src/main.rs", "")]).len(), 1);
    none(&found(default_members, &[("Cargo.toml", "[workspace]\ndefault-members = [\"api\"]")]));
    assert_eq!(found(default_members, &[("Cargo.toml", "[workspace]")]).len(), 1);
}
