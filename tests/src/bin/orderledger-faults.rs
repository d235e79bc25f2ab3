//! The program with faults on demand: what the crash laboratory and the tests of parking run.
//!
//! `ORDERLEDGER_PLANTED=name` switches a planted bug on (`orderledger_domain::planted`), by its name in the code.

use std::process::ExitCode;

use orderledger_domain::planted::{self, Bug};

fn main() -> ExitCode {
    if let Ok(name) = std::env::var("ORDERLEDGER_PLANTED") {
        planted::plant(Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == name));
    }
    orderledger_api::cli::main()
}
