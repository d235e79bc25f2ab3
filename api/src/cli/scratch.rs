//! A directory that lasts as long as a command: it goes when that ends, also by SIGINT or SIGTERM.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

/// The exit code of a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// The directory; dropping it removes it.
pub(super) struct Scratch {
    held: Arc<Held>,
}

struct Held {
    path: PathBuf,
}

impl Scratch {
    /// A fresh directory.
    pub(super) fn new() -> Result<Scratch, Failure> {
        let path = tempfile::Builder::new().prefix("orderledger-").tempdir()?.keep();
        let held = Arc::new(Held { path });
        let watched = Arc::clone(&held);
        std::thread::Builder::new().name("scratch".to_owned()).spawn(move || watch(&watched))?;
        Ok(Scratch { held })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.held.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.held.clear();
    }
}

impl Held {
    fn clear(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a temporary directory stays; remove it");
        }
    }
}

/// Clears up and ends the process when a signal comes.
fn watch(held: &Held) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let signaled = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            Ok(())
        })
    });
    match signaled {
        Ok(()) => {
            held.clear();
            std::process::exit(INTERRUPTED);
        }
        Err(error) => tracing::warn!(%error, "signals can't be watched: a temporary directory may stay"),
    }
}
