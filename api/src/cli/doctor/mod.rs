//! `doctor`: what a server would find here, a line each, and what to do. Nothing is changed.

mod cluster;
mod configuration;
mod directory;
mod machine;

use serde::Serialize;

use super::server::ServerArgs;
use super::{Failure, print, print_json, serve};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    serve: serve::Args,
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It weakens or will be in the way; `serve` goes on.
    Warning,
    /// It doesn't work like this.
    Failed,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    check: &'static str,
    state: State,
    /// What was found.
    detail: String,
    /// What to do, where something is to be done and `detail` doesn't say it.
    what_to_do: Option<String>,
    /// Whether `serve` refuses to start because of it.
    #[serde(skip)]
    refused: bool,
}

impl Check {
    fn ok(check: &'static str, detail: impl Into<String>) -> Check {
        Check { check, state: State::Ok, detail: detail.into(), what_to_do: None, refused: false }
    }

    fn warning(check: &'static str, detail: impl Into<String>, to_do: impl Into<String>) -> Check {
        Check { state: State::Warning, what_to_do: Some(to_do.into()), ..Check::ok(check, detail) }
    }

    fn failed(check: &'static str, detail: impl Into<String>, to_do: Option<String>) -> Check {
        Check { state: State::Failed, what_to_do: to_do, ..Check::ok(check, detail) }
    }

    /// The same, because of which `serve` would end with exit code 3.
    fn refused(check: &'static str, detail: impl Into<String>) -> Check {
        Check { refused: true, ..Check::failed(check, detail, None) }
    }

    /// What an error of log or store says; it says what to do, too.
    fn of(check: &'static str, error: orderledger_store::Error) -> Check {
        let refused = matches!(error, orderledger_store::Error::Refused { .. });
        Check { refused, ..Check::failed(check, super::exit::in_full(&error), None) }
    }
}

pub(super) fn run(args: &Args, command: &clap::Command) -> Result<(), Failure> {
    let mut checks = vec![machine::version()];
    checks.extend(configuration::checks(command));
    let log = &args.serve.log;
    let (key, of_key) = configuration::stream_key(log);
    checks.push(of_key);
    checks.extend(configuration::of_serve(&args.serve));
    let directory = directory::look(log, key.as_ref());
    let has_data = directory.has_data;
    checks.extend(directory.checks);
    checks.push(machine::disk(&log.data));
    checks.push(machine::open_files());
    checks.push(machine::scheduling());
    let newest = cluster::look(log, has_data, &mut checks);
    let answer = machine::ask(&args.server, directory.in_use);
    checks.push(answer.check);
    checks.push(machine::clock(newest, answer.skew_ms));
    tell(&checks, args.json)
}

fn tell(checks: &[Check], json: bool) -> Result<(), Failure> {
    if json {
        print_json(&serde_json::json!({"state": checks.iter().map(|check| check.state).max(), "checks": checks}))?;
    } else {
        print(checks.iter().map(line).collect::<String>())?;
    }
    let failed: Vec<&str> =
        checks.iter().filter(|check| check.state == State::Failed).map(|check| check.check).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!("failed: {}; the lines above say what to do", failed.join(", "));
    let refused = checks.iter().any(|check| check.refused);
    Err(if refused { Failure::refused(message) } else { Failure::failed(message) })
}

fn line(check: &Check) -> String {
    let state = match check.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "failed",
    };
    let to_do = check.what_to_do.as_ref().map_or_else(String::new, |to_do| format!("; {to_do}"));
    format!("{state:<8} {:<14} {}{to_do}\n", check.check, check.detail.replace('\n', " "))
}
