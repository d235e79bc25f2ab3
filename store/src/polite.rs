//! Threads that let everything live go first.

use rustix::process::{Pid, setpriority_process};

/// How nice they are, from 0 to 19: beside a thread that is not it such a one has about a tenth of a core.
const NICENESS: i32 = 10;

/// Makes this thread nice, and those that it starts, on Linux: elsewhere niceness belongs to the whole process.
pub fn be_polite() {
    if cfg!(target_os = "linux")
        && let Err(error) = setpriority_process(None::<Pid>, NICENESS)
    {
        tracing::debug!(%error, "a thread can't make itself nice");
    }
}
