//! A directory and child processes that last as long as a command: they go when it ends, also by SIGINT or SIGTERM.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

/// How long a child may take to end by itself.
const CHILD_ENDS_WITHIN: Duration = Duration::from_secs(15);
/// The exit code of a command that was interrupted.
const INTERRUPTED: i32 = 130;

/// The directory and the children; dropping it ends them.
pub(super) struct Scratch {
    held: Arc<Held>,
}

struct Held {
    path: PathBuf,
    children: Mutex<Vec<Child>>,
}

impl Scratch {
    /// A fresh directory.
    pub(super) fn new() -> Result<Scratch, Failure> {
        let path = tempfile::Builder::new().prefix("orderledger-").tempdir()?.keep();
        let held = Arc::new(Held { path, children: Mutex::default() });
        let watched = Arc::clone(&held);
        std::thread::Builder::new().name("scratch".to_owned()).spawn(move || watch(&watched))?;
        Ok(Scratch { held })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.held.path
    }

    /// Ends the child when this ends.
    pub(super) fn adopt(&self, child: Child) {
        self.held.children().push(child);
    }

    /// Whether every child still runs.
    pub(super) fn children_run(&self) -> bool {
        self.held.children().iter_mut().all(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Asks every child to end, and waits for it; false if one did not end well.
    pub(super) fn end_children(&self) -> bool {
        let mut well = true;
        for mut child in std::mem::take(&mut *self.held.children()) {
            let asked = kill_process(Pid::from_child(&child), Signal::TERM).is_ok();
            let begun = Instant::now();
            let ended = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break status.success(),
                    Ok(None) if asked && begun.elapsed() < CHILD_ENDS_WITHIN => {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    _ => break false,
                }
            };
            if !ended {
                end(&mut child);
            }
            well &= ended;
        }
        well
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.held.clear();
    }
}

impl Held {
    fn children(&self) -> std::sync::MutexGuard<'_, Vec<Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        self.children().iter_mut().for_each(end);
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "a temporary directory stays; remove it");
        }
    }
}

fn end(child: &mut Child) {
    // It may have ended already; waiting for it leaves no zombie.
    let _ = child.kill();
    let _ = child.wait();
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
