//! Intake: judges every record from outside, once, in the order of the log, and answers it in the user's partition.
//!
//! Its state at an offset is the fold of everything up to it but its own outputs: a decision takes effect at the
//! outside record, before the next one. Its own records, when they come back, are compared with what it expected.

mod accounts;
pub mod answers;
mod arrival;
mod decide;
mod fold;
pub mod grant;
mod identity;
mod judge;
mod keys;
mod notice;

pub use fold::Intake;
pub use identity::Identities;
pub(crate) use judge::CONTROL_KEY;
