//! Threads that somebody waits for, before all others on the machine's cores.
//!
//! Where work that may lag fills every core, Linux lets a thread that wakes wait for milliseconds until its turn comes, at each hop of an order's way. A
//! real-time thread (`SCHED_RR`, POSIX.1) doesn't wait. It needs a right: `CAP_SYS_NICE` or `RLIMIT_RTPRIO` (systemd: `LimitRTPRIO=`).

use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{
    NormalThreadSchedulePolicy, RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// The lowest real-time priority: the kernel's own real-time threads go first.
const REALTIME: u8 = 1;
/// Of 99, what is a niceness of 0.
const ORDINARY: u8 = 48;

/// Whether threads of this process may be real-time.
static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Lets this process' threads be real-time where they are urgent. The system's words if it doesn't allow that.
pub fn allow_realtime() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("real-time threads are known on Linux alone".to_owned());
    }
    let asked = std::thread::spawn(|| schedule(true)).join();
    asked.unwrap_or_else(|_| Err("asking for it panicked".to_owned()))?;
    ALLOWED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether this thread goes before others; dropped, it is ordinary again.
#[derive(Debug, Default)]
pub struct Urgency {
    is: bool,
}

impl Urgency {
    /// Makes this thread urgent, or ordinary again, where [`allow_realtime`] was called. What has a long way to go until it has caught up should be ordinary:
    /// it would leave nothing to others.
    pub fn be(&mut self, urgent: bool) {
        if self.is == urgent || !ALLOWED.load(Ordering::Relaxed) {
            return;
        }
        self.is = urgent;
        if let Err(error) = schedule(urgent) {
            tracing::debug!(error, urgent, "a thread can't change how it is scheduled");
        }
    }
}

impl Drop for Urgency {
    fn drop(&mut self) {
        self.be(false);
    }
}

/// Makes a thread ordinary that an urgent one has started: it began as one itself.
pub(crate) fn be_ordinary() {
    drop(Urgency { is: true });
}

fn schedule(urgent: bool) -> Result<(), String> {
    let (policy, priority) = if urgent {
        (ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin), REALTIME)
    } else {
        (ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other), ORDINARY)
    };
    let priority = ThreadPriority::Crossplatform(priority.try_into()?);
    set_thread_priority_and_policy(thread_native_id(), priority, policy).map_err(|error| match error {
        thread_priority::Error::OS(number) => std::io::Error::from_raw_os_error(number).to_string(),
        other => format!("{other:?}"),
    })
}

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use thread_priority::thread_schedule_policy;

    use super::*;

    fn policy() -> ThreadSchedulePolicy {
        thread_schedule_policy().unwrap()
    }

    /// Where the system allows nothing, that is said and nothing changes.
    #[test]
    fn a_thread_is_urgent_as_long_as_it_says_so_and_what_it_starts_is_ordinary() {
        let (normal, realtime) = (
            ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other),
            ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin),
        );
        let mut urgency = Urgency::default();
        urgency.be(true);
        assert_eq!((policy(), urgency.is), (normal, false), "nobody has allowed it");
        if let Err(error) = allow_realtime() {
            assert!(!error.is_empty());
            urgency.be(true);
            assert_eq!(policy(), normal);
            return;
        }
        urgency.be(true);
        assert_eq!(policy(), realtime);
        let started = std::thread::spawn(|| {
            let before = policy();
            be_ordinary();
            (before, policy())
        });
        assert_eq!(started.join().unwrap(), (realtime, normal));
        urgency.be(false);
        assert_eq!(policy(), normal);
        urgency.be(true);
        assert_eq!(policy(), realtime);
        drop(urgency);
        assert_eq!(policy(), normal);
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), 0);
    }
}
