//! Views that proved damaged, could not be opened, are lost, or have rows of an older schema are made anew without hands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use orderledger_store::Error;

use super::job::Asked;
use super::live::begin;
use crate::ledger::{Ledger, ViewHandle};

/// How often it is looked whether one is damaged.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long after one that did not come to its end the next begins; twice as long each time, up to the longest.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(600);

/// When a view was begun last, and when it may be again.
struct Tries {
    not_before: Option<Instant>,
    pauses: ExponentialBackoff,
}

impl Tries {
    fn none() -> Tries {
        let pauses = ExponentialBuilder::default().with_min_delay(AGAIN_AFTER).with_max_delay(AGAIN_AFTER_MAX);
        Tries { not_before: None, pauses: pauses.without_max_times().build() }
    }

    fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    fn begin(&mut self) {
        self.not_before = Instant::now().checked_add(self.pauses.next().unwrap_or(AGAIN_AFTER_MAX));
    }
}

/// Begins a rebuild of every view that needs one, as long as the program runs.
pub(crate) fn watch(ledger: &Arc<Ledger>) -> Result<(), Error> {
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("rebuild", move || {
        let mut tries = of.views().map(|_| Tries::none());
        while !of.conditions.stop.is_set() {
            let runs = |handle: &ViewHandle| handle.job().is_some_and(|job| job.runs());
            // One that can't be folded ends the pass of all: they are not tried together again, nor at once.
            let mut is_free = !of.views().into_iter().any(|handle| runs(handle));
            let mut first = Vec::new();
            for (handle, tries) in of.views().into_iter().zip(&mut tries) {
                if handle.is_awaited.load(Ordering::Acquire) && handle.has_arrived() {
                    handle.is_awaited.store(false, Ordering::Release);
                }
                if !handle.needs_rebuild() {
                    *tries = Tries::none();
                } else if tries.is_due() && !runs(handle) {
                    if tries.not_before.is_none() {
                        tries.begin();
                        first.push(handle);
                    } else if std::mem::take(&mut is_free) {
                        tries.begin();
                        rebuild(&of, &[handle]);
                    }
                }
            }
            if !first.is_empty() {
                rebuild(&of, &first);
            }
            of.conditions.stop.sleep(LOOK_EVERY);
        }
    })
}

/// In one pass over the log; where that can't be begun, each on its own.
fn rebuild(ledger: &Arc<Ledger>, handles: &[&Arc<ViewHandle>]) {
    match (begin(ledger, handles, &Asked::Rebuild(None), None), handles) {
        (Ok(_), handles) => {
            let names: Vec<&str> = handles.iter().map(|handle| handle.name).collect();
            tracing::warn!(?names, "views are damaged, lost or older ones, and made anew from the log");
        }
        (Err(why), [handle]) => {
            tracing::error!(projection = handle.name, ?why, "the view can't be made anew yet, and must be")
        }
        (Err(_), handles) => handles.iter().for_each(|&handle| rebuild(ledger, &[handle])),
    }
}
