//! Where the server listens that has a data directory: it writes its address there, for commands that can't open the log beside it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

const FILE: &str = "server";

/// Says it; where that can't be written, commands must be told the address with `--server`.
pub(super) fn write(data: &Path, address: SocketAddr, encrypted: bool) {
    let scheme = if encrypted { "https" } else { "http" };
    let written = tempfile::NamedTempFile::new_in(data).and_then(|mut file| {
        writeln!(file, "{scheme}://{address}")?;
        file.persist(data.join(FILE)).map_err(|error| error.error)
    });
    if let Err(error) = written {
        tracing::warn!(%error, "{}: can't be written: `log tail` needs --server", data.join(FILE).display());
    }
}

/// What the server said that has the directory. Whoever takes a directory removes what was said before (`DataDir`).
pub(super) fn read(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join(FILE)).ok()?;
    Some(text.trim().to_owned()).filter(|url| !url.is_empty())
}
