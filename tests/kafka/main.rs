//! A cluster that is wrong, away, old or another one: what the program makes of it, seen from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod away;
mod change;
mod old_broker;
mod other_log;
mod secured;
mod topics;
