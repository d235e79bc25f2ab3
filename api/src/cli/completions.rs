//! `completions`: what a shell completes after `orderledger`.

use clap::Command;
use clap_complete::{Shell, generate};

use super::{Failure, print};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For which shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "orderledger", &mut script);
    print(String::from_utf8_lossy(&script))
}
