//! Work that lets everything live go first.

use rustix::process::{Pid, setpriority_process};

/// How nice it is, from 0 to 19: beside a thread that is not it has about a tenth of a core.
const NICENESS: i32 = 10;

/// Does the work on a thread of its own that is nice, and waits for it; threads that it starts are nice too. On Linux alone: elsewhere
/// niceness belongs to the whole process.
pub(super) fn politely<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let polite = || {
        be_polite();
        work()
    };
    std::thread::scope(|scope| scope.spawn(polite).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Makes this thread nice, on Linux.
pub(crate) fn be_polite() {
    if cfg!(target_os = "linux")
        && let Err(error) = setpriority_process(None::<Pid>, NICENESS)
    {
        tracing::debug!(%error, "a thread can't make itself nice");
    }
}
