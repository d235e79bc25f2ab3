//! Results on stdout. A reader that has gone away (`| head`) ends the command quietly.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::Failure;

/// Writes text as it is.
pub(crate) fn print(text: impl AsRef<str>) -> Result<(), Failure> {
    closed_is_fine(io::stdout().lock().write_all(text.as_ref().as_bytes()))
}

/// Writes exactly one JSON value and a line end.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(Failure::failed)?;
    print(text + "\n")
}

fn closed_is_fine(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}
