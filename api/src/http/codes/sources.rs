//! Whether the table of codes, the sources and docs/ERRORS.md have the same codes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::CODES;
use crate::document::pages;

/// docs/ERRORS.md.
fn markdown() -> String {
    let mut text = "# Problems, and what to do about them\n\n\
        An error is `application/problem+json` (RFC 9457). Its `type` is the address of a page about its code, on the \
        server that answered:\n`/docs/errors/{code}`. The page that you read has all of them. `detail` says what is wrong \
        in the one case, `errors` which fields.\nIt is made from the table of codes in `api/src/http/codes.rs`; a test \
        keeps the two equal.\n"
        .to_owned();
    for code in CODES {
        let _ = write!(
            text,
            "\n## {}\n\nStatus {}. {}\n\n{}\n",
            code.code,
            pages::statuses(code),
            code.meaning,
            code.remedy
        );
    }
    text
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources(dir: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|end| end == "rs")
            && !path.ends_with("http/codes.rs")
            && !path.ends_with("codes/sources.rs")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            all.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

/// The literals that look like codes behind these words, up to the end of the statement's head.
fn codes_in(text: &str) -> BTreeSet<String> {
    let makers = [
        "Problem::new(",
        "Problem::not_found(",
        "Problem::unavailable(",
        "code = \"",
        "code: \"",
        "=> (\"",
        "=> {\n                (\"",
    ];
    let is_code = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let mut found = BTreeSet::new();
    for maker in makers {
        for (at, _) in text.match_indices(maker) {
            let start = if maker.ends_with('"') { at + maker.len() - 1 } else { at + maker.len() };
            let head: String = text.get(start..).unwrap().chars().take(120).collect();
            let Some(literal) = head.split('"').nth(1) else { continue };
            // The code comes first or after the status: no call ends before it.
            let before = head.split('"').next().unwrap();
            if !before.contains(';') && is_code(&literal) {
                found.insert(literal.to_owned());
            }
        }
    }
    found
}

#[test]
fn the_table_and_the_sources_have_the_same_codes() {
    let mut texts = Vec::new();
    sources(&root().join("src"), &mut texts);
    let http = |text: &&String| text.contains("Problem");
    let used: BTreeSet<String> = texts.iter().filter(http).flat_map(|text| codes_in(text)).collect();
    let listed: BTreeSet<String> = CODES.iter().map(|code| code.code.to_owned()).collect();
    assert_eq!(listed.len(), CODES.len(), "a code stands twice in http/codes.rs");
    let missing: Vec<_> = used.difference(&listed).collect();
    assert!(missing.is_empty(), "add to http/codes.rs: {missing:?}");
    let whole = texts.concat();
    let unused: Vec<_> = listed.iter().filter(|code| !whole.contains(&format!("\"{code}\""))).collect();
    assert!(unused.is_empty(), "nothing says these any more, take them out of http/codes.rs: {unused:?}");
}

/// `ORDERLEDGER_WRITE_DOCS=1` writes the page anew.
#[test]
fn the_page_of_errors_says_what_the_table_says() {
    let path = root().join("../docs/ERRORS.md");
    if std::env::var_os("ORDERLEDGER_WRITE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == markdown(), "docs/ERRORS.md is old: run this test with ORDERLEDGER_WRITE_DOCS=1");
    for code in CODES {
        assert!(pages::error(code).contains(code.meaning), "{}", code.code);
    }
}
