//! Threads that let everything live go first.
//!
//! Niceness alone doesn't do: beside work that fills every core a thread that wakes often waits until the scheduler's next tick, for milliseconds, at each hop of
//! an order's way (Linux' EEVDF gives the core to whoever has had less than its share, however nice). So work that may lag keeps off half of the
//! process' cores while somebody asks for that, and sleeps between short stretches: a thread that wakes on that half doesn't wait for a tick. No right is needed for it.

use rustix::process::{Pid, setpriority_process};

/// How nice they are, from 0 to 19: beside a thread that is not it such a one has about a tenth of a core.
const NICENESS: i32 = 10;

/// Makes this thread nice, and those that it starts, on Linux: elsewhere niceness belongs to the whole process. This one [`may_lag`], too.
pub fn be_polite() {
    may_lag();
    if cfg!(target_os = "linux")
        && let Err(error) = setpriority_process(None::<Pid>, NICENESS)
    {
        tracing::debug!(%error, "a thread can't make itself nice");
    }
}

pub use cores::{breathe, keep_half_free, lag_no_more, lagging_like_this, may_lag, while_lagging};

#[cfg(target_os = "linux")]
mod cores {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use rustix::io::Errno;
    use rustix::process::getpid;
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

    use crate::last;

    /// So long a thread works at most between two breaths, where it is asked often enough.
    const STRETCH: Duration = Duration::from_micros(100);
    /// As short as the system makes it: on Linux about 55 microseconds, by the timer slack (prctl(2)).
    const BREATH: Duration = Duration::from_micros(1);

    /// The threads of this process that may lag.
    static LAGGING: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);
    /// Whether they keep off half of the cores; changed with that lock held.
    static ARE_ON_HALF: AtomicBool = AtomicBool::new(false);

    fn lagging() -> MutexGuard<'static, HashSet<Pid>> {
        LAGGING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn are_on_half() -> bool {
        ARE_ON_HALF.load(Ordering::Relaxed)
    }

    thread_local! {
        static KNOWN: Known = const { Known(Cell::new(None)) };
        /// When it breathed last.
        static BREATHED: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    fn lags() -> bool {
        KNOWN.with(|known| known.0.get().is_some())
    }

    /// A thread among those, until it ends.
    struct Known(Cell<Option<Pid>>);

    impl Drop for Known {
        fn drop(&mut self) {
            if let Some(thread) = self.0.take() {
                lagging().remove(&thread);
            }
        }
    }

    /// From now on this thread keeps off half of the cores while [`keep_half_free`] says so, on Linux alone. One that it starts begins on the cores that it has
    /// then itself, and stays there unless it says so, too.
    pub fn may_lag() {
        let thread = gettid();
        lagging().insert(thread);
        KNOWN.with(|known| known.0.set(Some(thread)));
        place_as_asked(thread, false);
    }

    /// To move oneself takes until one's turn comes there: not with the lock held.
    fn place_as_asked(thread: Pid, mut is_on_half: bool) {
        while is_on_half != are_on_half() {
            is_on_half = !is_on_half;
            place(thread, is_on_half);
        }
    }

    /// To be called first by a thread that this one starts for its own work: it may lag if this one may.
    pub fn lagging_like_this() -> impl FnOnce() + Send {
        let lags = lags();
        move || {
            if lags {
                may_lag();
                // It began where the other one was, which may have been moved since.
                let on_half = are_on_half();
                place(gettid(), on_half);
                place_as_asked(gettid(), on_half);
            }
        }
    }

    /// A breath, where one is due, of a thread that may lag: called between small pieces of work, with nothing locked that others wait for. A thread of an order's way that
    /// woke meanwhile on the same core has it then; to yield (sched_yield(2)) is not enough, for the scheduler may give the core back at once. Work that [goes last](crate::going_last)
    /// looks here whether that is still asked for.
    pub fn breathe() {
        last::be_as_asked();
        if !are_on_half() || !lags() {
            return;
        }
        if BREATHED.get().is_none_or(|last| last.elapsed() >= STRETCH) {
            std::thread::sleep(BREATH);
            BREATHED.set(Some(Instant::now()));
        }
    }

    /// Does the work as a thread that may lag, and is again what it was.
    pub fn while_lagging<T>(work: impl FnOnce() -> T) -> T {
        struct Ordinary;
        impl Drop for Ordinary {
            fn drop(&mut self) {
                lag_no_more();
            }
        }
        if lags() {
            return work();
        }
        may_lag();
        let _then = Ordinary;
        work()
    }

    /// This thread is an ordinary one from now on.
    pub fn lag_no_more() {
        let Some(thread) = KNOWN.with(|known| known.0.take()) else { return };
        let was_on_half = {
            let mut lagging = lagging();
            lagging.remove(&thread);
            are_on_half()
        };
        // Who is not among them is moved by nobody else.
        if was_on_half {
            place(thread, false);
        }
    }

    /// Whether the threads of this process that may lag keep off half of its cores; where there is but one, they stay.
    pub fn keep_half_free(keep: bool) {
        let lagging = lagging();
        if ARE_ON_HALF.swap(keep, Ordering::Relaxed) != keep {
            lagging.iter().for_each(|thread| place(*thread, keep));
        }
    }

    /// Puts a thread on the first half of the cores, or on all: those of the process' first thread.
    fn place(thread: Pid, on_half: bool) {
        let placed = sched_getaffinity(Some(getpid())).and_then(|all| {
            let cores = all.count();
            let count = if on_half { cores.div_ceil(2) } else { cores };
            let mut chosen = CpuSet::new();
            let cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
            cores.take(usize::try_from(count).unwrap_or(0)).for_each(|core| chosen.set(core));
            sched_setaffinity(Some(thread), &chosen)
        });
        // One that has just ended is on no core.
        if let Err(error) = placed
            && error != Errno::SRCH
        {
            tracing::debug!(%error, "a thread can't be kept off some of the cores");
        }
    }

    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    mod tests {
        use std::sync::mpsc::channel;
        use std::thread::spawn;

        use super::*;

        fn cores() -> u32 {
            sched_getaffinity(None).unwrap().count()
        }

        /// All of the process' threads that may lag keep off the cores at once: one test at a time.
        static ONE: Mutex<()> = Mutex::new(());

        /// While a test has them; at its end, however it ends, nobody keeps off any more.
        struct Cores(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

        impl Drop for Cores {
            fn drop(&mut self) {
                keep_half_free(false);
            }
        }

        fn one_at_a_time() -> Cores {
            Cores(ONE.lock().unwrap_or_else(PoisonError::into_inner))
        }

        /// How often this thread has slept or waited, as the system counts (proc_pid_status(5)).
        fn sleeps() -> u64 {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
            line.trim().parse().unwrap()
        }

        /// Works for a while, as asked for so many breaths or without any, and says how often it slept.
        fn sleeps_while_it_works(until: u64) -> u64 {
            let (before, begun) = (sleeps(), Instant::now());
            while begun.elapsed() < STRETCH * 100 || (sleeps() - before < until && begun.elapsed().as_secs() < 60) {
                breathe();
            }
            sleeps() - before
        }

        #[test]
        fn threads_that_may_lag_keep_off_half_of_the_cores_as_long_as_that_is_asked_for() {
            let _one = one_at_a_time();
            let all = cores();
            let half = all.div_ceil(2);
            let ((ask, asked), (answer, answered)) = (channel::<()>(), channel());
            let lags = spawn(move || {
                may_lag();
                answer.send((gettid(), cores())).unwrap();
                for () in asked {
                    let started = spawn(cores).join().unwrap();
                    assert_eq!(started, cores(), "a thread is where the one is that starts it");
                    answer.send((gettid(), started)).unwrap();
                }
            });
            let (thread, before) = answered.recv().unwrap();
            assert_eq!(before, all);
            for (keep, expected) in [(true, half), (true, half), (false, all), (true, half)] {
                keep_half_free(keep);
                ask.send(()).unwrap();
                assert_eq!(answered.recv().unwrap().1, expected, "{keep}");
            }
            let begun_meanwhile = spawn(|| {
                may_lag();
                cores()
            });
            assert_eq!((begun_meanwhile.join().unwrap(), cores()), (half, all), "and nobody else");
            assert_eq!((while_lagging(cores), cores()), (half, all));
            assert!(!lagging().contains(&gettid()));
            drop(ask);
            lags.join().unwrap();
            assert!(!lagging().contains(&thread), "one that has ended is forgotten");
            keep_half_free(false);
        }

        #[test]
        fn they_breathe_while_that_is_asked_for_and_no_others_do() {
            let _one = one_at_a_time();
            let all = cores();
            keep_half_free(true);
            let lagging = while_lagging(|| sleeps_while_it_works(50));
            let no_more = while_lagging(|| {
                lag_no_more();
                assert_eq!(cores(), all, "it has all cores");
                sleeps_while_it_works(0)
            });
            let ordinary = sleeps_while_it_works(0);
            keep_half_free(false);
            let unasked = while_lagging(|| sleeps_while_it_works(0));
            assert!(lagging >= 50, "{lagging}");
            assert!(ordinary.max(no_more).max(unasked) < 10, "{ordinary} {no_more} {unasked}");
        }

        #[test]
        fn what_a_thread_that_lags_starts_for_its_work_lags_and_what_it_does_lagging_leaves_it_as_it_was() {
            let started = || {
                let like_this = lagging_like_this();
                let start = || {
                    like_this();
                    lags()
                };
                spawn(start).join().unwrap()
            };
            assert!(!started() && !lags());
            assert!(while_lagging(started) && !lags());
            assert!(while_lagging(|| while_lagging(lags) && lags()) && !lags());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod cores {
    /// On Linux alone a thread keeps off some of the cores.
    pub fn may_lag() {}

    /// Does the work.
    pub fn while_lagging<T>(work: impl FnOnce() -> T) -> T {
        work()
    }

    /// On Linux alone.
    pub fn lagging_like_this() -> impl FnOnce() + Send {
        || ()
    }

    /// On Linux alone.
    pub fn breathe() {}

    /// On Linux alone.
    pub fn lag_no_more() {}

    /// On Linux alone threads keep off some of the cores.
    pub fn keep_half_free(_keep: bool) {}
}
