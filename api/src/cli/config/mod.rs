//! Options. Each is a flag (`--listen`), a variable (`ORDERLEDGER_LISTEN`) and a key of `orderledger.toml` (`listen`); the flag wins
//! over the variable, this over the file, and this over the default.
//!
//! - `options`: every option of every command, and its variable
//! - `file`: the file's keys, and its table `[kafka]` of librdkafka's properties
//! - `check`: unknown keys, values that their options don't take
//! - `secrets`: what nothing shows, and files that others may read
//! - `show`: `config show`

mod check;
mod file;
mod options;
pub(super) mod secrets;
pub(super) mod show;
mod similar;

use std::ffi::OsString;

use clap::Command;
use clap::error::ErrorKind;

use super::Failure;

pub(super) use file::{FILE, in_use as file_in_use};
pub(super) use options::{PREFIX, variables, with_variables};
pub(super) use similar::similar;

/// The command with what the file says as its defaults, to be asked for these arguments. A file that is wrong is refused, but for
/// those that need none.
pub(super) fn configured(command: Command, arguments: &[OsString]) -> Result<Command, Failure> {
    let read = file::read(arguments).and_then(|file| match file {
        Some(file) => check::file(&command, &file).map(|()| Some(file)),
        None => Ok(None),
    });
    match read {
        Ok(Some(file)) => Ok(options::with_defaults(command, &file.values)),
        Ok(None) => Ok(command),
        Err(_) if needs_none(&command, arguments) => Ok(command),
        Err(failure) => Err(failure),
    }
}

/// What was wrong with a value, and where it came from, if that was not the command line.
pub(super) fn explained(command: &Command, error: &clap::Error) -> Option<Failure> {
    check::variable(command, error)
}

/// Help, versions and pages about the program are the same whatever is configured.
fn needs_none(command: &Command, arguments: &[OsString]) -> bool {
    match command.clone().try_get_matches_from(arguments) {
        Ok(matches) => matches.subcommand_name().is_some_and(|name| matches!(name, "completions" | "man")),
        Err(error) => matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion),
    }
}
