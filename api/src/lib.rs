//! The edge: HTTP, command line, configuration, and the wiring of log, stages and views.
//!
//! In: requests, options, signals. Out: outside records in the log, answers read from views.
//! Invariant: an answer to a write rests on what intake said in the log; an answer to a read names the positions it
//! rests on. Never: a business rule in a handler, a command importing a query.

pub mod cli;
pub mod demo;
pub mod http;
pub mod import;
pub mod latencies;
pub mod ledger;

mod commands;
#[cfg(feature = "faults")]
pub mod fuzzing;
mod ops;
mod queries;
mod rows;
