//! What the outside tests share: where the program is, and running it.
//!
//! In: arguments. Out: what the program printed and how it ended. It keeps: a test never waits for ever.
//! It never reaches into the program, only its command line, its HTTP and its files; but for [`stages`], where tests run
//! the stages themselves, without the program.

pub mod auditor;
pub mod client;
pub mod dice;
pub mod disk;
pub mod kafka;
pub mod laboratory;
pub mod ports;
pub mod proxy;
pub mod receiver;
pub mod server;
pub mod stages;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The program under test: `$ORDERLEDGER_BIN`, or the newest build of this checkout.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("ORDERLEDGER_BIN") {
        return PathBuf::from(path);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from);
    let built = ["release", "debug"].map(|profile| target.join(profile).join("orderledger"));
    let age = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
    built.into_iter().max_by_key(age).unwrap_or_default()
}

/// The same program with faults on demand: it is built with the tests and lies above them, or beside another program.
pub fn faulty_program() -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let places = running.ancestors().skip(1).take(2).map(|place| place.join("orderledger-faults"));
    places.into_iter().find(|program| program.is_file()).unwrap_or_default()
}

/// The root of this checkout.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> std::io::Result<Output> {
    run_as(Command::new(program()), arguments)
}

fn run_as(mut program: Command, arguments: &[&str]) -> std::io::Result<Output> {
    program.args(arguments).env("ORDERLEDGER_LOG_LEVEL", "error").output()
}

/// Runs the program and reads the one JSON value that it prints; an error says what it printed instead.
pub fn run_json(arguments: &[&str]) -> Result<Value, String> {
    let output = run(arguments).map_err(|error| format!("{}: {error}; build it first", program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{arguments:?} ended with {}: {said}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{arguments:?}: {error}: {said}"))
}

/// Real order flow, where it is; says on stderr that a test is skipped where it is not.
pub fn shared_data(file: &str) -> Option<PathBuf> {
    use std::io::Write;
    let found = std::env::var_os("ORDERLEDGER_SHARED_DATA").map(|data| Path::new(&data).join(file));
    let found = found.filter(|path| path.exists());
    if found.is_none() {
        // Nobody reads it if stderr is gone.
        let _ = writeln!(std::io::stderr(), "skipped: no {file} in $ORDERLEDGER_SHARED_DATA");
    }
    found
}
