//! An export: records of the log byte for byte in a file that can be checked with nothing else.
//!
//! JSON lines, each sealed by a running digest of the file up to there. `docs/EVENTS.md` has the format.
//!
//! - `lines`: what stands in a line, and how it is sealed
//! - `write`: from a log into a file
//! - `check`: whether a file is what was written
//! - `saved`: heads that were saved elsewhere, to compare with

mod check;
mod lines;
mod saved;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use check::{Checked, State, check};
pub(crate) use lines::HeaderLine;
pub(crate) use saved::Saved;
pub(crate) use write::{Stretch, export};
