//! `cargo run --release -- demo` at the root needs no name of a package, for there is one binary.

use toml::{Table, Value};

use crate::sources::{CRATES, Workspace};
use crate::{Outcome, Problem, found, none};

#[test]
fn the_workspace_has_one_binary() -> Outcome {
    none(&binaries(&Workspace::read()?));
    Ok(())
}

fn binaries(workspace: &Workspace) -> Vec<Problem> {
    let mut found = Vec::new();
    for name in CRATES {
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

#[test]
fn the_rule_can_fail() {
    let ours = ("api/Cargo.toml", "[[bin]]\nname = \"orderledger\"");
    none(&found(binaries, &[ours]));
    assert_eq!(found(binaries, &[]).len(), 1);
    assert_eq!(found(binaries, &[ours, ("tests/Cargo.toml", "[[bin]]\nname = \"load\"")]).len(), 1);
    assert_eq!(found(binaries, &[ours, ("store/src/main.rs", "")]).len(), 1);
}
