//! Runs that failed once, and what was wrong then.

use crate::plan::Plan;

/// The plan of each, and what it found.
pub(crate) const REGRESSIONS: &[(Plan, &str)] = &[];
