//! `status`: what a running server says of its workers.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::server::ServerArgs;
use super::{Failure, print, print_json};

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

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let server = args.server.open();
    loop {
        let status = server.get("/v1/projections")?;
        if args.json {
            return print_json(&status);
        }
        let clear = if args.watch { "\u{1b}[2J\u{1b}[H" } else { "" };
        print(format!("{clear}{}", table(&status)))?;
        if !args.watch {
            return Ok(());
        }
        std::thread::park_timeout(Duration::from_secs(1));
    }
}

fn table(status: &Value) -> String {
    let mut text = format!(
        "{:<12} {:>4} {:<12} {:>12} {:>8} {:>12} {:>12} {:>10} {:>9} {:>7} {:>9}\n",
        "worker",
        "gen",
        "state",
        "lag records",
        "lag ms",
        "consumed",
        "applied",
        "duplicate",
        "rejected",
        "parked",
        "ignored"
    );
    for row in status.get("data").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| match row.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "-".to_owned(),
            Some(other) => other.to_string(),
        };
        // Writing into a string can't fail.
        let _ = writeln!(
            text,
            "{:<12} {:>4} {:<12} {:>12} {:>8} {:>12} {:>12} {:>10} {:>9} {:>7} {:>9}",
            of("name"),
            of("generation"),
            of("state"),
            of("lagRecords"),
            of("lagMs"),
            of("consumed"),
            of("applied"),
            of("duplicate"),
            of("rejected"),
            of("parked"),
            of("ignored")
        );
    }
    text
}
