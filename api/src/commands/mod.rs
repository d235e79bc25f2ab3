//! Calls that write: each becomes one outside record, answered with what intake said of it.
//!
//! - [`bulk`]: many requests in one call
//! - [`parked`]: decisions about what a projection can't apply, which no stage judges
//! - [`canary`]: an order of the ledger's own, once a second, to see how long that takes
//! - [`submit`]: from an event to intake's answer
//! - [`control`]: asking for control events
//! - [`said`]: what no stage judges: what users want to be told, and webhooks
//! - [`decided`]: waiting until the book has decided too

pub(crate) mod accounts;
pub(crate) mod bulk;
pub(crate) mod canary;
pub(crate) mod fees;
pub(crate) mod parked;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod stream_key;
pub(crate) mod webhooks;

mod control;
mod decided;
mod said;
mod submit;
