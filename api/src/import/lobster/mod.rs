//! LOBSTER's files: a day's messages of one share at NASDAQ, and the book after each of them.
//!
//! - [`message`], [`rows`]: what stands in the files
//! - [`plan`]: messages alone, as steps that need no waiting
//! - [`replay`]: messages beside the rows of the book, compared after each
//! - [`report`]: what is told in the end

pub mod message;
pub mod plan;
pub mod replay;
pub mod report;
mod resting;
pub mod rows;
#[cfg(test)]
mod tests;

pub use plan::Plan;
pub use replay::Replay;
pub use report::Report;
