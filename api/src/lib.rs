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
pub mod streams;

mod access;
mod commands;
mod document;
mod export;
#[cfg(feature = "faults")]
pub mod fuzzing;
mod lag;
mod metrics;
mod ops;
mod otlp;
mod queries;
mod rows;
mod spent;
pub mod webhooks;

/// Views and folds live on small pieces of memory: with the system's allocator a rebuild takes a fifth longer (docs/BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
