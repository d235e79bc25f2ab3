//! Work that takes only what nobody else wants of a core, and comes back.
//!
//! Linux' `SCHED_IDLE` (sched(7)) is what work that may lag should be while orders come: whoever wakes on its core has the core at once, and a core with nothing else on it
//! counts as a free one for those that look for one. But no thread gets out of it again without a right (`RLIMIT_NICE`). So such work is done by a thread of its own, which ends with it.

use std::sync::atomic::{AtomicBool, Ordering};

/// Of so many records or rows is a stretch at most: a few milliseconds of work, for one that has begun can't be helped however little it gets.
pub const STRETCH: usize = 512;

/// Whether such work goes last.
static LAST: AtomicBool = AtomicBool::new(false);

/// Whether [`as_last`] leaves the cores to whoever else wants them, from its next call on. As long as others want all of them it does hardly anything then.
pub fn go_last(last: bool) {
    LAST.store(last, Ordering::Relaxed);
}

/// Does a short stretch of work: while [`go_last`] says so, on a thread of its own that only has what nobody else wants of the cores, on Linux alone. Threads that the work starts
/// stay so for ever. It is waited for.
pub fn as_last<T: Send>(mut work: impl FnMut() -> T + Send) -> T {
    if !LAST.load(Ordering::Relaxed) || !cfg!(target_os = "linux") {
        return work();
    }
    let breathes = crate::polite::breathing_like_this();
    let name = std::thread::current().name().unwrap_or("goes-last").to_owned();
    let done = std::thread::scope(|scope| {
        let work = &mut work;
        let last = move || {
            breathes();
            #[cfg(target_os = "linux")]
            be_last();
            work()
        };
        let spawned = std::thread::Builder::new().name(name).spawn_scoped(scope, last);
        spawned.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    // Where there is no thread for it, it is done here.
    done.unwrap_or_else(|_| work())
}

/// The same items, so many at once taken as [`as_last`] does it, if that may be.
pub(crate) fn in_stretches<I>(may_be: bool, mut items: I) -> impl Iterator<Item = I::Item>
where
    I: Iterator + Send,
    I::Item: Send,
{
    let mut taken = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if taken.len() == 0 {
            let mut take = || items.by_ref().take(STRETCH).collect::<Vec<_>>();
            taken = if may_be { as_last(take) } else { take() }.into_iter();
        }
        taken.next()
    })
}

#[cfg(target_os = "linux")]
fn be_last() {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id, thread_schedule_policy,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let asked = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    // It changes niceness, too, which says nothing of such a thread, and which it may have no right to.
    if thread_schedule_policy() != Ok(idle) {
        tracing::debug!(?asked, "a thread can't go last");
    }
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use thread_priority::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::*;

    #[test]
    fn work_goes_last_while_that_is_asked_for_and_the_thread_that_asks_stays_what_it_is() {
        let (normal, idle) = (
            ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other),
            ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
        );
        let policy = || (std::thread::current().id(), thread_schedule_policy().unwrap());
        let (this, before) = policy();
        assert_eq!((before, as_last(policy)), (normal, (this, normal)));
        go_last(true);
        let (other, then) = as_last(policy);
        assert!(other != this && then == idle, "{then:?}");
        assert_eq!(policy(), (this, normal));
        let panicked = std::panic::catch_unwind(|| as_last(|| std::panic::resume_unwind(Box::new("work"))));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"work"), "its panic is the caller's");
        let took: Vec<_> = in_stretches(true, (0..STRETCH + 1).map(|item| (item, policy().1))).collect();
        assert!(
            took.iter().map(|(item, _)| *item).eq(0..STRETCH + 1) && took.iter().all(|(_, policy)| *policy == idle)
        );
        assert_eq!(in_stretches(false, std::iter::once(()).map(|()| policy())).last(), Some((this, normal)));
        go_last(false);
        assert_eq!(as_last(policy), (this, normal));
    }
}
