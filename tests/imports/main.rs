//! Real order flow through the program: what comes out is what the files say.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod events;
mod real_files;
mod whole_day;
