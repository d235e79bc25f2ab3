//! The stages on a log in memory: what they write, and what every kind of restart leads to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod adjustments;
mod answers;
mod crashes;
mod gap;
mod key_requests;
mod newer;
mod refusals;
mod restart;
mod stream_keys;
mod together;
mod totality;
mod way_of_an_order;

use orderledger_tests::stages as harness;
