//! Words that are not written here: empty module names, silenced lints, one machine's folders, promises.

use crate::sources::{Workspace, code};
use crate::{Outcome, Problem, found, none};

/// Module names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 12] = [
    "common", "helper", "helpers", "manager", "managers", "misc", "service", "services", "shared", "types", "util",
    "utils",
];
/// Folders of one machine.
const MACHINE_DIRS: [&str; 4] = ["home", "root", "work", "Users"];

#[test]
fn modules_are_named_after_what_they_hold() -> Outcome {
    none(&module_names(&Workspace::read()?));
    Ok(())
}

#[test]
fn no_lint_is_silenced_without_a_reason() -> Outcome {
    none(&silenced(&Workspace::read()?));
    Ok(())
}

#[test]
fn no_file_names_a_folder_of_one_machine() -> Outcome {
    none(&machine_dirs(&Workspace::read()?));
    Ok(())
}

fn module_names(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust() {
        let stem = path.trim_end_matches(".rs");
        for name in stem.split('/').filter(|part| EMPTY_NAMES.contains(part)) {
            problems.push(format!("{path}: name it after what it holds, not `{name}`"));
        }
        let code = code(text);
        let declared = code.lines().filter_map(|line| line.split_once("mod ").map(|(_, after)| after));
        for name in declared.map(|after| after.trim_end_matches([' ', '{', ';'])) {
            if EMPTY_NAMES.contains(&name) {
                problems.push(format!("{path}: name the module after what it holds, not `{name}`"));
            }
        }
    }
    problems
}

fn silenced(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.rust() {
        let code: String = code(text).chars().filter(|c| !c.is_whitespace()).collect();
        for attribute in code.split("#[").skip(1).chain(code.split("#![").skip(1)) {
            let attribute = attribute.split(']').next().unwrap_or_default();
            if attribute.starts_with("allow(") || attribute.contains(",allow(") {
                problems.push(format!("{path}: `{attribute}`: use expect with a reason"));
            } else if (attribute.starts_with("expect(") || attribute.contains(",expect("))
                && !attribute.contains("reason=")
            {
                problems.push(format!("{path}: `{attribute}`: give the reason"));
            }
        }
    }
    problems
}

fn machine_dirs(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.files() {
        for (number, line) in text.lines().enumerate() {
            for dir in MACHINE_DIRS.iter().filter(|dir| names_root_dir(line, dir)) {
                problems.push(format!("{path}:{}: names a folder of one machine, of `{dir}`", number + 1));
            }
        }
    }
    problems
}

/// Whether `/dir/` stands here as the beginning of a path, not as a part of a longer one.
fn names_root_dir(line: &str, dir: &str) -> bool {
    line.match_indices(&format!("/{dir}/")).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}/".contains(c))
    })
}

#[test]
fn the_rules_can_fail() {
    for (path, text) in [
        ("store/src/utils.rs", ""),
        ("store/src/common/frame.rs", ""),
        ("store/src/lib.rs", "pub mod helpers;"),
        ("store/src/lib.rs", "mod types {"),
    ] {
        assert_eq!(found(module_names, &[(path, text)]).len(), 1, "{path}: {text}");
    }
    none(&found(module_names, &[("store/src/views/keys.rs", "pub(crate) mod frame;\n// mod utils;")]));

    for attribute in [
        concat!("#[", "allow(dead_code)]"),
        concat!("#![", "allow(dead_code)]"),
        concat!("#[cfg_attr(test, ", "allow(dead_code))]"),
        concat!("#[", "expect(dead_code)]"),
    ] {
        assert_eq!(found(silenced, &[("a.rs", attribute)]).len(), 1, "{attribute}");
    }
    none(&found(silenced, &[("a.rs", "#[expect(dead_code, reason = \"read by the debugger\")]")]));

    for line in [concat!("see /ho", "me/me/x"), concat!("\"/wo", "rk/x\""), concat!("(/ro", "ot/x)")] {
        assert_eq!(found(machine_dirs, &[("README.md", line)]).len(), 1, "{line}");
    }
    none(&found(machine_dirs, &[("README.md", "docs/work/x and https://example.org/home/x")]));
}
