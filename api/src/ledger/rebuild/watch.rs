//! Views that proved damaged, could not be opened, or have rows of an older schema are made anew without hands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_store::Error;

use super::job::Asked;
use super::live::begin;
use crate::ledger::{Ledger, ViewHandle};

/// How often it is looked whether one is damaged.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long after one that did not come to its end the next begins.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Begins a rebuild of every view that needs one, as long as the program runs.
pub(crate) fn watch(ledger: &Arc<Ledger>) -> Result<(), Error> {
    let of = Arc::clone(ledger);
    ledger.rebuilds.spawn("rebuild", move || {
        let mut begun = of.views().map(|_| None::<Instant>);
        while !of.conditions.stop.is_set() {
            let (mut first, mut again) = (Vec::new(), Vec::new());
            for (handle, begun) in of.views().into_iter().zip(&mut begun) {
                let is_due = begun.is_none_or(|at| at.elapsed() >= AGAIN_AFTER);
                if is_due && needs_rebuild(handle) {
                    let due = if begun.replace(Instant::now()).is_none() { &mut first } else { &mut again };
                    due.push(handle);
                }
            }
            if !first.is_empty() {
                rebuild(&of, &first);
            }
            // One that can't be folded ends the pass of all: they are not tried together again.
            again.into_iter().for_each(|handle| rebuild(&of, &[handle]));
            of.conditions.stop.sleep(LOOK_EVERY);
        }
    })
}

fn needs_rebuild(handle: &ViewHandle) -> bool {
    handle.needs_rebuild() && !handle.job().is_some_and(|job| job.runs())
}

/// In one pass over the log; where that can't be begun, each on its own.
fn rebuild(ledger: &Arc<Ledger>, handles: &[&Arc<ViewHandle>]) {
    match (begin(ledger, handles, &Asked::Rebuild(None), None), handles) {
        (Ok(_), handles) => {
            let names: Vec<&str> = handles.iter().map(|handle| handle.name).collect();
            tracing::warn!(?names, "views are damaged, or older ones, and made anew from the log");
        }
        (Err(why), [handle]) => {
            tracing::error!(projection = handle.name, ?why, "the view can't be made anew yet, and must be")
        }
        (Err(_), handles) => handles.iter().for_each(|&handle| rebuild(ledger, &[handle])),
    }
}
