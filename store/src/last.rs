//! Work that takes only what nobody else wants of the cores, as long as somebody asks for that.
//!
//! A thread that wakes looks for a free core, and Linux counts one as free that has nothing but `SCHED_IDLE` (sched(7)) on it: so an order's threads find
//! one beside work of that class, and beside other work they don't, however nice it is. A thread leaves that class again only where it has the right to:
//! `RLIMIT_NICE` of 20, as systemd's `LimitNICE=+0` gives it, or `CAP_SYS_NICE`. Where this process hasn't, nobody goes last.
//!
//! One that goes last may come to a stand in the middle of anything, where others want the whole core: whatever an order may wait for, a lock say, is done [`in_turn`].

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether those that may go last do.
static LAST: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread may.
    static MAY: Cell<bool> = const { Cell::new(false) };
    /// Whether it does.
    static DOES: Cell<bool> = const { Cell::new(false) };
}

/// Whether a thread of this process can go last and come back: on Linux, with that right.
pub fn can_go_last() -> bool {
    static CAN: LazyLock<bool> = LazyLock::new(|| {
        let tried = std::thread::Builder::new().spawn(scheduler::there_and_back);
        tried.is_ok_and(|tried| tried.join().unwrap_or(false))
    });
    *CAN
}

/// Whether the threads in [`going_last`] leave the cores to whoever else wants them: each from its next breath on, or its next stretch of such work where it was brought back
/// meanwhile; no more: at once. As long as others want all of the cores they do hardly anything. Nothing changes where none [`can_go_last`].
pub fn go_last(last: bool) {
    let last = last && can_go_last();
    LAST.store(last, Ordering::Relaxed);
    // Said again, it also finds one that was on its way.
    if !last {
        scheduler::bring_back();
    }
}

/// Does work that, where it may, goes last while [`go_last`] says so: it breathes ([`breathe`](crate::breathe)) again and again, and holds nothing meanwhile that an order waits for.
pub fn going_last<T>(may: bool, work: impl FnOnce() -> T) -> T {
    let _then = may.then(|| Turn::begin(true));
    work()
}

/// Does in the middle of such work what an order may come to wait for, as a thread like all others; to start a thread, too, for it begins as the one is that starts it.
pub fn in_turn<T>(work: impl FnOnce() -> T) -> T {
    let _then = Turn::take();
    work()
}

/// The rest of such work is done as by any other thread.
pub fn last_no_more() {
    MAY.set(false);
    be_as_asked();
}

/// Whether this is in the middle of work that may go last: so may what other threads do of it.
pub fn may_go_last() -> bool {
    MAY.get()
}

/// What [`in_turn`] does, until it is dropped.
pub(crate) struct Turn {
    /// Whether the thread might go last before.
    before: bool,
}

impl Turn {
    pub(crate) fn take() -> Turn {
        Turn::begin(false)
    }

    fn begin(may_go_last: bool) -> Turn {
        let before = MAY.replace(may_go_last);
        be_as_asked();
        Turn { before }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        MAY.set(self.before);
        be_as_asked();
    }
}

/// Goes last, or comes back, if that was asked for since.
pub(crate) fn be_as_asked() {
    let last = || MAY.get() && LAST.load(Ordering::Relaxed);
    // Once there it may be asked for no more.
    while DOES.get() != last() {
        DOES.set(!DOES.get());
        scheduler::go(DOES.get());
    }
}

#[cfg(target_os = "linux")]
mod scheduler {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::process::{getpriority_process, setpriority_process};
    use thread_priority::NormalThreadSchedulePolicy::{Idle, Other};
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadId, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };

    /// Of 99, what is a niceness of 0.
    const ORDINARY: u8 = 48;

    /// The threads that go last: in it before they do, and until they have come back, which each does before it ends. Never held by one that does.
    static THERE: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

    fn there() -> MutexGuard<'static, Vec<ThreadId>> {
        THERE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread goes last, or comes back.
    pub(super) fn go(last: bool) {
        let this = thread_native_id();
        if last {
            there().push(this);
            set(this, Idle);
        } else {
            set(this, Other);
            there().retain(|thread| *thread != this);
        }
    }

    /// Those that go last come back, however little of the cores they have.
    pub(super) fn bring_back() {
        for thread in &*there() {
            set(*thread, Other);
        }
    }

    /// Whether this thread is what it was after both.
    pub(super) fn there_and_back() -> bool {
        let (this, before) = (thread_native_id(), getpriority_process(None));
        set(this, Idle) && set(this, Other) && getpriority_process(None) == before
    }

    /// Puts it into that class; whether the system does that.
    fn set(thread: ThreadId, class: NormalThreadSchedulePolicy) -> bool {
        let (class, niceness) = (ThreadSchedulePolicy::Normal(class), getpriority_process(None).unwrap_or(0));
        let asked = ThreadPriority::Crossplatform(ORDINARY.try_into().unwrap_or_default());
        let asked = set_thread_priority_and_policy(thread, asked, class);
        // It changes how nice the thread is that asks.
        if niceness != 0
            && let Err(error) = setpriority_process(None, niceness)
        {
            tracing::debug!(%error, niceness, "a thread can't be as nice as it was");
        }
        if asked.is_err() {
            tracing::debug!(?asked, ?class, "a thread can't change its class");
        }
        asked.is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod scheduler {
    /// On Linux alone.
    pub(super) fn go(_last: bool) {}

    /// On Linux alone.
    pub(super) fn bring_back() {}

    /// On Linux alone.
    pub(super) fn there_and_back() -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc::channel;

    use rustix::process::getpriority_process;
    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::*;
    use crate::{be_polite, breathe};

    fn is_last() -> bool {
        thread_schedule_policy() == Ok(ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle))
    }

    /// Nobody else is asked for anything at the end of the test, however it ends.
    struct Asked;

    impl Drop for Asked {
        fn drop(&mut self) {
            go_last(false);
        }
    }

    /// Where the system allows nothing, nothing changes.
    #[test]
    fn work_goes_last_while_that_is_asked_for_and_its_thread_comes_back() {
        let _then = Asked;
        assert!(!going_last(true, is_last), "nobody has asked");
        go_last(true);
        if !can_go_last() {
            assert!(!going_last(true, is_last));
            return;
        }
        let niceness = || getpriority_process(None).unwrap();
        let before = niceness();
        assert!(!is_last() && going_last(true, is_last) && !is_last());
        assert!(!going_last(false, is_last));
        going_last(true, || {
            assert!(!in_turn(is_last) && is_last());
            assert!(!in_turn(|| going_last(true, is_last) && is_last()));
            assert!(std::panic::catch_unwind(|| in_turn(|| std::panic::resume_unwind(Box::new("work")))).is_err());
            assert!(is_last(), "also after a panic");
            going_last(true, || {
                last_no_more();
                breathe();
                assert!(!is_last() && !may_go_last(), "the rest of it");
            });
            assert!(is_last(), "of that work alone");
            // Others begin as the one is that starts them.
            assert!(may_go_last() && !in_turn(may_go_last));
            assert!(!in_turn(|| std::thread::spawn(is_last)).join().unwrap());
            go_last(false);
            assert!(!is_last(), "it is asked for no more, and needs do nothing for it");
            breathe();
            go_last(true);
            assert!(!is_last(), "not before its next breath");
            breathe();
            assert!(is_last());
        });
        assert_eq!((is_last(), niceness()), (false, before));
        let (begun, begins) = channel();
        let (goes_on, on) = channel::<()>();
        let other = std::thread::spawn(move || {
            going_last(true, || {
                begun.send(()).unwrap();
                on.recv().unwrap();
                is_last()
            })
        });
        begins.recv().unwrap();
        go_last(false);
        goes_on.send(()).unwrap();
        assert!(!other.join().unwrap(), "others bring it back");
        go_last(true);
        let nice = std::thread::spawn(move || {
            be_polite();
            let before = niceness();
            going_last(true, || assert!(is_last()));
            (before, niceness(), is_last())
        });
        assert_eq!(nice.join().unwrap(), (10, 10, false), "it stays as nice as it was");
    }
}
