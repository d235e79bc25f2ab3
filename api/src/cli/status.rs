//! `status`: what a running server says of its workers.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::server::ServerArgs;
use super::{Failure, print, print_json};

/// What is asked.
const PATH: &str = "/v1/projections";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Again every second, until interrupted.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// How often `--watch` asks.
const EVERY: Duration = Duration::from_secs(1);
/// To the screen's first place; to the end of the line, and of the screen, everything goes.
const HOME: &str = "\u{1b}[H";
const LINE_ENDS: &str = "\u{1b}[K\n";
const SCREEN_ENDS: &str = "\u{1b}[J";

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let server = args.server.open()?;
    if args.json {
        return print_json(&server.get(PATH)?);
    }
    if !args.watch {
        return print(table(&server.get(PATH)?));
    }
    loop {
        // A server that is away comes back.
        let text = server.get(PATH).map_or_else(|failure| format!("{failure}\n"), |status| table(&status));
        print(format!("{HOME}{}{SCREEN_ENDS}", text.replace('\n', LINE_ENDS)))?;
        std::thread::park_timeout(EVERY);
    }
}

/// The columns: title, field, width.
const COLUMNS: [(&str, &str, usize); 15] = [
    ("group", "name", 11),
    ("state", "state", 11),
    ("class", "class", 11),
    ("lag records", "lagRecords", 12),
    ("lag ms", "lagMs", 9),
    ("target ms", "targetMs", 9),
    ("records/s", "recordsPerSecond", 10),
    ("eta ms", "etaMs", 9),
    ("gen", "generation", 4),
    ("consumed", "consumed", 12),
    ("applied", "applied", 12),
    ("duplicate", "duplicate", 10),
    ("rejected", "rejected", 9),
    ("parked", "parked", 7),
    ("ignored", "ignored", 9),
];

/// A line for every group, and below those that are not as they should be a line for every such partition.
fn table(status: &Value) -> String {
    let mut text = line(|title, _| title.to_owned());
    for part in ["data", "stages"] {
        for row in status.get(part).and_then(Value::as_array).into_iter().flatten() {
            text.push_str(&line(|_, field| shown(row, field)));
            for (name, partition) in row.get("partitions").and_then(Value::as_object).into_iter().flatten() {
                if partition.get("state").and_then(Value::as_str) != Some("live") {
                    text.push_str(&line(
                        |_, field| if field == "name" { format!(" {name}") } else { shown(partition, field) },
                    ));
                }
            }
            if let Some(version) = row.get("olderSchema") {
                let _ =
                    writeln!(text, "  rows of schema version {version} are read until those of this program are made");
            }
            if let Some(error) = row.get("error").and_then(Value::as_str) {
                // Writing into a string can't fail.
                let _ = writeln!(text, "  {error}");
            }
        }
    }
    text
}

fn line(column: impl Fn(&str, &str) -> String) -> String {
    let left = |title| matches!(title, "group" | "state" | "class");
    let columns = COLUMNS.map(|(title, field, width)| {
        let value = column(title, field);
        if left(title) { format!("{value:<width$}") } else { format!("{value:>width$}") }
    });
    format!("{}\n", columns.join(" ").trim_end())
}

fn shown(row: &Value, field: &str) -> String {
    match row.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_partition_that_is_not_live_has_a_line_of_its_own() {
        let partitions = json!({
            "orders-0": {"state": "live", "lagRecords": 0, "lagMs": 0, "consumed": 9},
            "orders-3": {"state": "frozen", "lagRecords": 7, "lagMs": 12_000, "recordsPerSecond": 0, "etaMs": null},
        });
        let frozen = json!({
            "name": "settlement", "state": "frozen", "class": "critical", "lagRecords": 7, "lagMs": 12_000,
            "targetMs": 100, "recordsPerSecond": 0, "etaMs": null, "generation": 1, "consumed": 9, "partitions": partitions,
        });
        let stage = json!({"name": "intake", "state": "stopped", "error": "the disk is full", "lagMs": 0});
        insta::assert_snapshot!(table(&json!({"data": [frozen], "stages": [stage]})), @r#"
        group       state       class        lag records    lag ms target ms  records/s    eta ms  gen     consumed      applied  duplicate  rejected  parked   ignored
        settlement  frozen      critical               7     12000       100          0         -    1            9            -          -         -       -         -
         orders-3   frozen      -                      7     12000         -          0         -    -            -            -          -         -       -         -
        intake      stopped     -                      -         0         -          -         -    -            -            -          -         -       -         -
          the disk is full
        "#);
    }
}
