//! Rebuilding views from offset zero: one read of the log and one parse feed every projection that is rebuilt.
//!
//! - [`pass`]: the records, as far as asked, and later further
//! - [`difference`]: where two views differ

pub mod difference;
pub mod pass;

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::EventLog;

use crate::worker::any::AnyFolding;
use crate::worker::fold::Failure;
use pass::{Ends, Pass, Passed};

/// Folds everything from where the foldings stand (all at the same place, usually offset zero) up to the ends of the
/// log as seen now, in one pass, and commits it. Operators' decisions are read first, and what came meanwhile last.
pub fn fold_to_end(
    log: &dyn EventLog,
    key: &StreamKey,
    foldings: &mut [Box<dyn AnyFolding>],
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Passed, Failure> {
    let mut pass = Pass::begin(log, key, foldings)?;
    let mut ends = Ends::new();
    for topic in Topic::ALL.into_iter().filter(|topic| foldings.iter().any(|folding| folding.reads(*topic))) {
        for partition in (0..log.partitions()).map(|partition| topic.at(partition)) {
            ends.insert(partition, log.end_offset(partition)?);
        }
    }
    on_progress(pass.passed_before(&ends));
    while !pass.step(foldings, &ends)? {
        on_progress(pass.passed());
    }
    on_progress(pass.passed());
    for folding in foldings.iter_mut() {
        folding.read_decisions(log, key)?;
        folding.commit()?;
        folding.release_all(log, key)?;
    }
    Ok(pass.passed())
}
