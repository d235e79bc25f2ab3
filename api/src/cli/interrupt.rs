//! Ctrl-C, for commands that go on until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// How long what is under way may take once it was asked to end: an answer of a server that hangs is not waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// True once SIGINT or SIGTERM came. Whoever asks ends soon then, with what was written; who doesn't is ended, as well with 0.
pub(super) fn asked() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&asked);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on, so that no signal ends the program before the thread runs.
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        tell.store(true, Ordering::Relaxed);
        std::thread::sleep(ENDS_WITHIN);
        std::process::exit(0);
    })?;
    Ok(asked)
}
