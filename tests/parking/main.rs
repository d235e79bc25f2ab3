//! Parking from outside: a record that a projection can't apply holds up its entity alone, until an operator decides.
//!
//! The program with faults on demand runs here: `ORDERLEDGER_POISON_FILE` names the records that a projection refuses, and
//! the program is "fixed" by emptying that file.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod breaker;
mod ground;
mod kill;
mod market;
mod operators;
mod rebuild;
mod user;
