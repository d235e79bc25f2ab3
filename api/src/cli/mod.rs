//! The command line: one enum of commands and one match.

mod args;
mod backup;
mod benchmark;
mod completions;
mod config;
mod demo;
mod doctor;
mod exit;
mod export;
mod filling;
mod health;
mod import;
mod interrupt;
mod key_file;
mod keys;
mod log_dump;
mod log_export;
mod log_tail;
mod log_verify;
mod logging;
mod man;
mod migrate;
mod output;
mod parked;
pub(crate) mod progress;
mod rebuild;
mod restore;
mod schema;
mod scratch;
mod serve;
mod server;
mod server_file;
mod status;
mod topics;
mod verify;
mod webhooks;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use args::LogArgs;
pub use exit::Failure;
use logging::{LogFormat, LogLevel};
pub(crate) use output::{print, print_json};

/// An event-sourced ledger for trading platforms: orders in, balances, prices and a complete audit trail out.
#[derive(Debug, Parser)]
#[command(name = "orderledger", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    /// The configuration file; each key is an option's name.
    #[arg(long, global = true, env = "ORDERLEDGER_CONFIG", default_value = config::FILE)]
    config: std::path::PathBuf,
    /// What the program says of itself on stderr: off, error, warn, info, debug or trace, or several with commas, of a target
    /// as `steps=debug`
    #[arg(long, global = true, env = "ORDERLEDGER_LOG_LEVEL", value_name = "LEVEL", default_value = "warn")]
    log_level: LogLevel,
    /// How what the program says of itself on stderr is written.
    #[arg(long, global = true, env = "ORDERLEDGER_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the ledger: workers and HTTP.
    Serve(serve::Args),
    /// A market day on the embedded log, end to end, and the proof that it adds up.
    Demo(demo::Args),
    /// Feeds real order flow into the log and runs it through the ledger.
    #[command(subcommand)]
    Import(import::Feed),
    /// Measures ours beside the bare loop, in one run.
    #[command(subcommand)]
    Benchmark(benchmark::Benchmark),
    /// Rebuilds views from offset zero, beside a running server or offline; goes back to those before.
    Rebuild(rebuild::Args),
    /// Re-derives everything from the log with other code and compares; exit 0 only if all is equal.
    Verify(verify::Args),
    /// Writes the whole log into a file that is checked, beside a running server or without one.
    Backup(backup::Args),
    /// Brings a backup back: into a new data directory, or into empty topics, at the same offsets.
    Restore(restore::Args),
    /// Moves an embedded log to Kafka: the same partitions, offsets and append times.
    Migrate(migrate::Args),
    /// Shows a running server's positions, lag, accounting and generations.
    Status(status::Args),
    /// Shows and decides what waits behind records that a projection can't apply.
    #[command(subcommand)]
    Parked(parked::Parked),
    /// Shows how webhooks do, and sends again what they were not told.
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
    /// Makes, lists and revokes API keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Looks into the event log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Writes what the ledger holds as files of other programs.
    #[command(subcommand)]
    Export(export::Export),
    /// The versions of events, and whether all that stands in the log can be read.
    #[command(subcommand)]
    Schema(schema::Schema),
    /// Makes or checks the Kafka topics.
    #[command(subcommand)]
    Topics(topics::Topics),
    /// Shows what is configured, and by what.
    #[command(subcommand)]
    Config(config::show::Config),
    /// Looks at what a server would find here, a line each, and says what to do.
    Doctor(doctor::Args),
    /// Asks a server whether it is ready; exit 0 only if it is.
    Health(health::Args),
    /// Writes what a shell completes after `orderledger`.
    Completions(completions::Args),
    /// Writes the manual pages.
    Man(man::Args),
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Writes records as JSON lines.
    Dump(log_dump::Args),
    /// Shows the newest records, and those that come.
    Tail(log_tail::Args),
    /// Writes records byte for byte into a file that can be checked with nothing else.
    Export(log_export::Args),
    /// Checks an export: intact, bounded, or broken at a position (exit 4).
    Verify(log_verify::Args),
}

/// How long the program waits at its end for a collector to take the last spans.
const EXPORTED_WITHIN: Duration = Duration::from_secs(1);

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let exporting = match &cli.command {
        Command::Serve(args) => args.traces.start(),
        _ => Ok(None),
    };
    let exporting = match exporting {
        Ok(exporting) => exporting,
        Err(failure) => return failure.report(),
    };
    logging::start(&cli.log_level, cli.log_format, exporting.as_ref());
    let ran = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Import(feed) => import::run(feed),
        Command::Benchmark(benchmark) => benchmark::run(benchmark),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Parked(parked) => parked::run(&parked),
        Command::Webhooks(webhooks) => webhooks::run(&webhooks),
        Command::Keys(keys) => keys::run(&keys),
        Command::Log(LogCommand::Dump(args)) => log_dump::run(&args),
        Command::Log(LogCommand::Tail(args)) => log_tail::run(&args),
        Command::Log(LogCommand::Export(args)) => log_export::run(&args),
        Command::Log(LogCommand::Verify(args)) => log_verify::run(&args),
        Command::Export(export) => export::run(&export),
        Command::Schema(schema) => schema::run(&schema),
        Command::Topics(topics) => topics::run(&topics),
        Command::Config(config) => config::show::run(&config, command()),
        Command::Doctor(args) => doctor::run(&args, &command()),
        Command::Health(args) => health::run(&args),
        Command::Completions(args) => completions::run(&args, command()),
        Command::Man(args) => man::run(&args, command()),
    };
    if let Some(exporting) = exporting {
        exporting.finish(EXPORTED_WITHIN);
    }
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The whole command line.
fn command() -> clap::Command {
    let client = orderledger_store::event_log::kafka::client_version();
    let command = Cli::command().long_version(format!("{} (librdkafka {client})", env!("CARGO_PKG_VERSION")));
    config::with_variables(command)
}

/// Options win over environment variables, and these over the configuration file.
fn parse() -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let command = config::configured(command(), &arguments).map_err(Failure::report)?;
    let parsed = command.clone().try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| match config::explained(&command, &error) {
        Some(failure) => failure.report(),
        None => report_usage(error),
    })
}

/// Help and version go to stdout with code 0, misuse to stderr with code 2.
fn report_usage(error: clap::Error) -> ExitCode {
    // There is nobody left to tell if the terminal is gone.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(exit::BAD_USAGE) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_every_command_go_together() {
        command().debug_assert();
    }
}
