//! Parking, against a naive model: whatever can't be applied, whatever operators decide and when, however records come in
//! batches and the projection is restarted, the rows are those of one plain pass that knows every decision beforehand.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../days/mod.rs"]
mod days;
mod live;
mod naive;
mod operators;
mod property;
mod slices;
mod verified;
mod worker;
