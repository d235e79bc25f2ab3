//! SIGTERM ends the program in time, whatever a library does.

use std::time::Duration;

use crate::cli::Failure;

/// The program ends within 10 s of the signal.
const ENDS_AFTER: Duration = Duration::from_secs(9);

/// Ends the program as it would have ended, if it hasn't by then.
pub(super) fn start(failure: Option<Failure>) {
    let watching = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        std::thread::sleep(ENDS_AFTER);
        tracing::warn!(
            "the workers did not end in time and are cut off; nothing is lost: what was acknowledged is in the log, and the \
             next start goes on from there"
        );
        std::process::exit(failure.map_or(0, |failure| i32::from(failure.say())));
    });
    if let Err(error) = watching {
        tracing::warn!(%error, "no watchdog: the end may take longer");
    }
}
