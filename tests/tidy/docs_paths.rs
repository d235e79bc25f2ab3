//! Every link and every path that the documents mention is there.

use crate::sources::{CRATES, Workspace};
use crate::{Outcome, Problem, found, none};

#[test]
fn documents_name_only_what_is_there() -> Outcome {
    none(&dead_paths(&Workspace::read()?));
    Ok(())
}

fn dead_paths(workspace: &Workspace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in workspace.files().filter(|(path, _)| path.ends_with(".md")) {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            let links = links(line).into_iter().filter(|_| !fenced);
            let dead = links.filter(|link| !workspace.has(&resolve(dir, link)));
            let mentions = mentions(line).into_iter().filter(|mention| !workspace.has(mention));
            for name in dead.chain(mentions) {
                problems.push(format!("{path}:{}: `{name}` is not there", number + 1));
            }
        }
    }
    problems
}

/// The targets of `[text](target)` that are files of ours, without their anchors.
fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|after| after.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty())
        .collect()
}

/// The words that look like a path from the root: they begin with one of our folders and a `/`.
fn mentions(line: &str) -> Vec<&str> {
    let ours = |word: &&str| {
        let first = word.split_once('/').map(|(first, _)| first);
        let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        plain && first.is_some_and(|first| CRATES.contains(&first) || first == "docs")
    };
    let words = line.split(|c: char| c.is_whitespace() || "`()[]<>,;:\"'│├└─".contains(c));
    words.map(|word| word.trim_end_matches('.')).filter(ours).collect()
}

/// A link's path from the root.
fn resolve(dir: &str, link: &str) -> String {
    let mut parts: Vec<&str> = dir.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn the_rule_can_fail() {
    let (there, code) = (("docs/adr/0001-x.md", ""), ("store/src/views/keys.rs", ""));
    for text in ["see [x](adr/0002-y.md#a)", "in `store/src/keys.rs`", "in store/src/view/."] {
        assert_eq!(found(dead_paths, &[("docs/A.md", text), there, code]).len(), 1, "{text}");
    }
    let right =
        "[x](adr/0001-x.md#a) [y](../store/src) `store/src/views/keys.rs`, store/src/views/. and/or [z](https://a.b/c)";
    none(&found(dead_paths, &[("docs/A.md", right), there, code]));
}
