//! Real order flow as steps of the ledger: reading files and planning, without the engine.
//!
//! In: the text of a feed. Out: what to place, amend and cancel in which order, for which account, what each account
//! needs before, and, once the ledger did it, a report that compares it with what the file says.
//! Invariant: the same file gives the same steps; no number passes through binary floating point.
//! Never: the log, HTTP, a clock.
//!
//! - [`step`]: what the ledger is asked, and what it did
//! - [`accounts`]: who asks, and with what money
//! - [`lobster`], [`bitstamp`]: the feeds
//! - [`lines`], [`decimal`]: reading them
//! - [`subsequence`]: how alike two rows of trades are

pub mod accounts;
pub mod bitstamp;
pub mod decimal;
pub mod lines;
pub mod lobster;
pub mod step;
pub mod subsequence;
#[cfg(test)]
mod trial;
