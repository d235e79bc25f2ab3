//! Fail points: named moments at which a test ends the process, or whatever else it does there.
//!
//! Without the feature `faults` a point is nothing. With it, `ORDERLEDGER_FAULT_POINTS="name=N,name=N"` kills the process
//! (SIGKILL) when a point is passed for the N-th time, `ORDERLEDGER_HANG_FILE=path` holds the thread that the file names at
//! whatever point it passes, and a simulation may hook every point of its thread.

/// Passes a fail point.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub const fn point(_: &'static str) {}

#[cfg(feature = "faults")]
pub use armed::{on_point, point};

#[cfg(feature = "faults")]
mod armed {
    use std::cell::RefCell;
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    const VARIABLE: &str = "ORDERLEDGER_FAULT_POINTS";
    const HANG_FILE: &str = "ORDERLEDGER_HANG_FILE";

    /// A point at which the process ends, and how many passes are left until then.
    struct Armed {
        name: String,
        left: AtomicU64,
    }

    type Hook = Box<dyn FnMut(&'static str)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `hook` at every point that this thread passes from now on; none: no more.
    pub fn on_point(hook: Option<Hook>) {
        HOOK.with(|slot| *slot.borrow_mut() = hook);
    }

    /// Passes a fail point.
    pub fn point(name: &'static str) {
        for armed in armed().iter().filter(|armed| armed.name == name) {
            if armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                // As from outside: nothing is flushed, nothing unwinds.
                let _ = kill_process(getpid(), Signal::KILL);
            }
        }
        hang();
        // Taken out while it runs: it may pass points itself.
        let Some(mut hook) = HOOK.with(|slot| slot.borrow_mut().take()) else { return };
        hook(name);
        HOOK.with(|slot| {
            slot.borrow_mut().get_or_insert(hook);
        });
    }

    /// The thread that the file names stays where it is until the file says otherwise.
    fn hang() {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        let Some(path) = FILE.get_or_init(|| std::env::var_os(HANG_FILE).map(PathBuf::from)) else { return };
        let this = std::thread::current();
        while std::fs::read_to_string(path).is_ok_and(|held| Some(held.trim()) == this.name()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn armed() -> &'static [Armed] {
        static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();
        ARMED.get_or_init(|| std::env::var(VARIABLE).map(|text| parse(&text)).unwrap_or_default())
    }

    fn parse(text: &str) -> Vec<Armed> {
        let one = |entry: &str| {
            let (name, pass) = entry.split_once('=')?;
            Some(Armed { name: name.trim().to_owned(), left: AtomicU64::new(pass.trim().parse().ok()?) })
        };
        text.split(',').filter_map(one).collect()
    }

    #[cfg(test)]
    #[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    mod tests {
        use super::*;

        #[test]
        fn a_hook_sees_every_point_of_its_thread_until_it_is_taken_away() {
            let (told, heard) = std::sync::mpsc::channel();
            on_point(Some(Box::new(move |name| told.send(name).unwrap())));
            point("one");
            point("two");
            std::thread::spawn(|| point("elsewhere")).join().unwrap();
            on_point(None);
            point("three");
            assert_eq!(heard.into_iter().collect::<Vec<_>>(), ["one", "two"]);
        }

        #[test]
        fn a_list_of_points_names_the_pass_of_each() {
            let points = parse("append=3, swap = 1,nonsense");
            let points: Vec<_> = points.iter().map(|it| (it.name.as_str(), it.left.load(Ordering::Relaxed))).collect();
            assert_eq!(points, [("append", 3), ("swap", 1)]);
        }
    }
}
