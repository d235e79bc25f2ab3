//! Runs that failed once, and what was wrong then.

use crate::faults::{Fault, Faults};
use crate::plan::Plan;

/// The plan of each, and what it found.
pub(crate) const REGRESSIONS: &[(Plan, &str)] = &[(
    Plan { seed: 31, faults: FIRST_RECORD_LOST, requests: 4, users: 1, symbols: 1 },
    "a stage whose very first record was lost took the log for one of another stream key",
)];

const FIRST_RECORD_LOST: Faults = Faults::NONE
    .with(Fault::FailPoint)
    .with(Fault::NotWritten)
    .with(Fault::LateAcknowledgement)
    .with(Fault::WrittenTwice)
    .with(Fault::ReadError)
    .with(Fault::Holes)
    .with(Fault::Poison);
