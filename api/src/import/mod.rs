//! Real order flow through the ledger: files read and planned as steps, steps driven through the stages, outcomes compared.
//!
//! In: the text of a feed. Out: what to place, amend and cancel in which order, for which account, what each account
//! needs before, and, once the ledger did it, a report that compares it with what the file says.
//! Invariant: the same file gives the same steps and the same report; no number passes through binary floating point.
//! Never: a clock; and the log in [`drive`] alone.
//!
//! - [`step`]: what the ledger is asked, and what it did
//! - [`accounts`]: who asks, and with what money
//! - [`lobster`], [`bitstamp`]: the feeds
//! - [`lines`], [`decimal`]: reading them
//! - [`subsequence`]: how alike two rows of trades are
//! - [`events`]: envelopes as they are
//! - [`drive`]: the way into the log, and back

pub mod accounts;
pub mod bitstamp;
pub mod decimal;
pub mod drive;
pub mod events;
pub mod lines;
pub mod lobster;
pub mod step;
pub mod subsequence;
#[cfg(test)]
mod trial;
