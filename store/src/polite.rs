//! Threads that let everything live go first.
//!
//! Niceness alone doesn't do: beside work that fills every core a thread that wakes often waits until the scheduler's next tick, for milliseconds, at each hop of
//! an order's way (Linux' EEVDF gives the core to whoever has had less than its share, however nice). So work that may lag keeps off half of the
//! process' cores while somebody asks for that. No right is needed for it.

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

pub use cores::{keep_half_free, may_lag, while_lagging};

#[cfg(target_os = "linux")]
mod cores {
    use std::cell::Cell;
    use std::collections::HashSet;
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

    use rustix::io::Errno;
    use rustix::process::getpid;
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

    /// The threads of this process that may lag.
    #[derive(Default)]
    struct Lagging {
        threads: HashSet<Pid>,
        /// Whether they keep off half of the cores.
        are_on_half: bool,
    }

    static LAGGING: LazyLock<Mutex<Lagging>> = LazyLock::new(Mutex::default);

    fn lagging() -> MutexGuard<'static, Lagging> {
        LAGGING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    thread_local! {
        static KNOWN: Known = const { Known(Cell::new(None)) };
    }

    /// A thread among those, until it ends.
    struct Known(Cell<Option<Pid>>);

    impl Drop for Known {
        fn drop(&mut self) {
            if let Some(thread) = self.0.take() {
                lagging().threads.remove(&thread);
            }
        }
    }

    /// From now on this thread keeps off half of the cores while [`keep_half_free`] says so, on Linux alone. One that it starts begins on the cores that it has
    /// then itself, and stays there unless it says so, too.
    pub fn may_lag() {
        let thread = gettid();
        let mut lagging = lagging();
        lagging.threads.insert(thread);
        KNOWN.with(|known| known.0.set(Some(thread)));
        if lagging.are_on_half {
            place(thread, true);
        }
    }

    /// Does the work as a thread that may lag, and is an ordinary one again.
    pub fn while_lagging<T>(work: impl FnOnce() -> T) -> T {
        struct Ordinary;
        impl Drop for Ordinary {
            fn drop(&mut self) {
                let Some(thread) = KNOWN.with(|known| known.0.take()) else { return };
                let mut lagging = lagging();
                lagging.threads.remove(&thread);
                if lagging.are_on_half {
                    place(thread, false);
                }
            }
        }
        may_lag();
        let _then = Ordinary;
        work()
    }

    /// Whether the threads of this process that may lag keep off half of its cores; where there is but one, they stay.
    pub fn keep_half_free(keep: bool) {
        let mut lagging = lagging();
        if lagging.are_on_half != keep {
            lagging.are_on_half = keep;
            lagging.threads.iter().for_each(|thread| place(*thread, keep));
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

        #[test]
        fn threads_that_may_lag_keep_off_half_of_the_cores_as_long_as_that_is_asked_for() {
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
            assert!(!lagging().threads.contains(&gettid()));
            drop(ask);
            lags.join().unwrap();
            assert!(!lagging().threads.contains(&thread), "one that has ended is forgotten");
            keep_half_free(false);
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

    /// On Linux alone threads keep off some of the cores.
    pub fn keep_half_free(_keep: bool) {}
}
