//! Work that lets everything live go first.

use orderledger_store::be_polite;

/// Does the work on a thread of its own that is nice, and waits for it; threads that it starts are nice too. On Linux alone: elsewhere
/// niceness belongs to the whole process.
pub(super) fn politely<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let polite = || {
        be_polite();
        work()
    };
    std::thread::scope(|scope| scope.spawn(polite).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
