//! The files of the workspace, read once, and Rust text without its comments and strings.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Folders that hold nothing written by hand.
const SKIPPED_DIRS: [&str; 5] = ["target", "node_modules", "orderledger-data", "corpus", "crashes"];
/// Files with other endings are no text that the rules speak of.
const TEXT_ENDINGS: [&str; 5] = ["rs", "md", "toml", "sh", "py"];
/// Scripts without an ending.
const SCRIPTS: [&str; 3] = ["test", "kafka", ".ci/run"];
/// The crates, in the order in which they may depend on each other.
pub(crate) const CRATES: [&str; 5] = ["domain", "store", "projections", "api", "tests"];

/// The text files of the workspace by their path from the root, with `/` on every platform.
pub(crate) struct Workspace {
    files: BTreeMap<String, String>,
}

impl Workspace {
    /// Reads the workspace that this crate belongs to.
    pub(crate) fn read() -> io::Result<Workspace> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = BTreeMap::new();
        read_dir(&root, "", &mut files)?;
        Ok(Workspace { files })
    }

    /// A workspace of the given paths and texts.
    pub(crate) fn of(files: &[(&str, &str)]) -> Workspace {
        Workspace { files: files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect() }
    }

    /// Every file: path and text.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every Rust file: path and text.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or a folder of this path is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(inside.clone()..).next().is_some_and(|(found, _)| found.starts_with(&inside))
    }
}

fn read_dir(dir: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !SKIPPED_DIRS.contains(&name.as_str()) && (!name.starts_with('.') || name == ".ci") {
                read_dir(&entry.path(), &format!("{path}/"), files)?;
            }
            continue;
        }
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        if TEXT_ENDINGS.contains(&ending) || SCRIPTS.contains(&path.as_str()) {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        } else {
            // Present for links, without a text.
            files.insert(path, String::new());
        }
    }
    Ok(())
}

/// Rust text with comments removed and strings emptied; line breaks stay, so line numbers hold.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with('"') {
            string_len(rest)
        } else if let Some(len) = raw_string_len(rest, &out) {
            len
        } else if first == '\'' {
            char_len(rest)
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or("");
            continue;
        };
        let (gone, after) = rest.split_at(skipped);
        out.extend(gone.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    out
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string_len(text: &str, before: &str) -> Option<usize> {
    if before.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_') {
        return None;
    }
    let hashes: String = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').collect();
    let open = 1 + hashes.len();
    let body = text.get(open..)?.strip_prefix('"')?;
    let close = format!("\"{hashes}");
    Some(body.find(&close).map_or(text.len(), |end| open + 1 + end + close.len()))
}

/// The length of a character literal, or of the tick alone where a lifetime begins.
fn char_len(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text.get(3..).and_then(|tail| tail.find('\'')).map_or(1, |end| end + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

#[test]
fn code_drops_comments_and_strings_and_keeps_lines() {
    for (text, expected) in [
        ("a // b\nc", "a \nc"),
        ("a /* b\n */ c", "a \n c"),
        (r#"f("sled::x // \" no", 1)"#, "f(, 1)"),
        ("f(r#\"a\"b\"#, 2)", "f(, 2)"),
        ("f(br\"a\", 2)", "f(b, 2)"),
        (r#"x == '"' && y"#, "x ==  && y"),
        (r"x == '\'' && y", "x ==  && y"),
        ("fn f<'a>(x: &'a str)", "fn f<a>(x: &a str)"),
        ("var\"x\"", "var"),
    ] {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn a_workspace_knows_its_folders() {
    let workspace = Workspace::of(&[("a/b.rs", ""), ("a-b.rs", "")]);
    for (path, there) in [("a", true), ("a/", true), ("a/b.rs", true), ("a/c", false), ("b", false)] {
        assert_eq!(workspace.has(path), there, "{path}");
    }
}
