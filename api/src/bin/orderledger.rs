//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    orderledger_api::cli::main()
}
