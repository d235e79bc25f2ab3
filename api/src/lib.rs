//! The edge: HTTP, command line, configuration, wiring.
//!
//! In: requests and options. Out: outside records to the log, answers from the views.
//! Invariant: URL = handler file; commands write and never read a view's rows for a decision, queries only read.
//! Never: a business rule in a handler, a command that imports a query.

pub mod cli;
pub mod ledger;
