//! `man`: the manual pages, one for the program and one for each command.

use std::path::PathBuf;

use clap::Command;
use serde_json::json;

use super::{Failure, print, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the pages go; made where it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, command: Command) -> Result<(), Failure> {
    let told = |error: std::io::Error| Failure::failed(format!("{}: {error}", args.dir.display()));
    std::fs::create_dir_all(&args.dir).map_err(told)?;
    let names = names(&command, "");
    clap_mangen::generate_to(command, &args.dir).map_err(told)?;
    if args.json {
        return print_json(&json!({"dir": args.dir, "pages": names}));
    }
    print(format!(
        "{} pages in {}; man {}/orderledger.1 shows the first\n",
        names.len(),
        args.dir.display(),
        args.dir.display()
    ))
}

/// The files that are written.
fn names(command: &Command, above: &str) -> Vec<String> {
    let name = if above.is_empty() { command.get_name().to_owned() } else { format!("{above}-{}", command.get_name()) };
    let below = command.get_subcommands().filter(|below| !below.is_hide_set()).flat_map(|below| names(below, &name));
    std::iter::once(format!("{name}.1")).chain(below).collect()
}
