//! `health`: whether a server is ready, for a container that has no other program to ask with.

use serde_json::Value;

use super::server::ServerArgs;
use super::{Failure, print, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// One JSON value on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let said = args.server.open()?.get("/readyz")?;
    if args.json {
        return print_json(&said);
    }
    print(format!("{}\n", said.get("status").and_then(Value::as_str).unwrap_or("ready")))
}
