//! An export: records of the log byte for byte in a file that can be checked with nothing else.
//!
//! JSON lines, each sealed by a running digest of the file up to there. `docs/EVENTS.md` has the format.
//!
//! - `lines`: what stands in a line, and how it is sealed
//! - `write`: from a log into a file
//! - `check`: whether a file is what was written
//! - `origin`: the records of a file, or of a log, one partition after another
//! - `copy`: from there into an empty log, and whether all of it arrived
//! - `cut`: where partitions that are still written to may end together
//! - `saved`: heads that were saved elsewhere, to compare with

mod check;
mod copy;
mod cut;
mod lines;
mod origin;
mod saved;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use check::{Checked, State, check};
pub(crate) use copy::{compare, copy};
pub(crate) use cut::consistent_ends;
pub(crate) use lines::HeaderLine;
pub(crate) use origin::Origin;
pub(crate) use saved::Saved;
pub(crate) use write::{Stretch, export, whole};
