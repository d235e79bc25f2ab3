//! `status`: what a running server says of its workers.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::{Failure, print, print_json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server.
    #[arg(long, env = "ORDERLEDGER_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    server: String,
    /// Again every second, until interrupted.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    loop {
        let status = ask(&agent, &args.server)?;
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

fn ask(agent: &ureq::Agent, server: &str) -> Result<Value, Failure> {
    let url = format!("{}/v1/projections", server.trim_end_matches('/'));
    let unreachable = |error: ureq::Error| {
        Failure::failed(format!("{url} can't be asked: {error}; start the server, or name it with --server"))
    };
    let mut answer = agent.get(&url).call().map_err(unreachable)?;
    answer.body_mut().read_json().map_err(unreachable)
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
