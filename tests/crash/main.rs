//! Crashes of real processes, lost and old files, twins, and the auditor that judges them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod auditor;
mod lost;
mod short;
mod trading;
mod twins;
