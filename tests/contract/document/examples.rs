//! The examples of docs/API.md, run in their order against a fresh server.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use orderledger_tests::server::Home;
use serde_json::Value;

/// A block of the page: its language, its text, the heading above it.
struct Block {
    language: String,
    text: String,
    below: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut below) = (Vec::new(), None::<Block>, String::new());
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), text: String::new(), below: below.clone() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) if line.starts_with('#') => line.clone_into(&mut below),
            (None, None) => {}
        }
    }
    blocks
}

/// Whether all that is shown is there: fields by name, values by kind, of lists the first row. Null may become anything.
fn shows(shown: &Value, there: &Value) -> Result<(), String> {
    match (shown, there) {
        (Value::Object(shown), Value::Object(there)) => shown.iter().try_for_each(|(name, value)| {
            let found = there.get(name).ok_or_else(|| format!("no field {name}"))?;
            shows(value, found).map_err(|why| format!("{name}: {why}"))
        }),
        (Value::Array(shown), Value::Array(there)) => match (shown.first(), there.first()) {
            (Some(shown), Some(there)) => shows(shown, there),
            (Some(_), None) => Err("no row".to_owned()),
            (None, _) => Ok(()),
        },
        (Value::Null, _) | (_, Value::Null) => Ok(()),
        (shown, there) if std::mem::discriminant(shown) == std::mem::discriminant(there) => Ok(()),
        (shown, there) => Err(format!("{there}, not like {shown}")),
    }
}

#[test]
fn what_is_shown_must_be_there() {
    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let there = of(r#"{"a":[{"b":"x","c":1}],"d":null}"#);
    for (shown, right) in [
        (r#"{"a":[{"b":"y"}]}"#, true),
        (r#"{"d":"z"}"#, true),
        (r#"{"e":1}"#, false),
        (r#"{"a":[{"b":1}]}"#, false),
        (r#"{"a":[{"e":1}]}"#, false),
    ] {
        assert_eq!(shows(&of(shown), &there).is_ok(), right, "{shown}");
    }
}

#[test]
fn the_examples_of_the_page_do_what_it_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: the examples of docs/API.md: no curl");
        return;
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/API.md")).unwrap();
    let home = Home::embedded();
    let server = home.serve();
    let blocks = blocks(&page);
    let mut run = 0;
    for (at, block) in blocks.iter().enumerate() {
        if block.language != "sh" || !block.text.contains("$LEDGER") {
            continue;
        }
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &block.text]).env("LEDGER", server.client.base()).env("NO_PROXY", "*");
        bash.current_dir(home.data());
        let output = bash.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let place = format!("docs/API.md, {}:\n{}", block.below, block.text);
        assert!(output.status.success(), "{place}{said}{}", String::from_utf8_lossy(&output.stderr));
        if let Some(shown) = blocks.get(at + 1).filter(|next| next.language == "json" && next.below == block.below) {
            let shown = serde_json::from_str(&shown.text).unwrap_or_else(|error| panic!("{place}{error}"));
            let there = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{place}{error}: {said}"));
            shows(&shown, &there).unwrap_or_else(|why| panic!("{place}{why} in {said}"));
        }
        run += 1;
    }
    assert!(run >= 15, "only {run} examples were found");
}
