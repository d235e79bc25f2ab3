//! The stages on a log in memory: what they write, and what every kind of restart leads to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod gap;
mod harness;
mod newer;
mod restart;
mod totality;
mod way_of_an_order;
