//! Events as bytes: golden ones of every type, the seed's record, what is refused and why, and random round trips.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod every_event;
mod golden;
mod numbers;
mod refusals;
mod round_trip;
mod stamps;
mod versions;
mod whose;
