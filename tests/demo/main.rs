//! The market day and the benchmarks through the program: they end well, and the balances follow from the seed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod benchmarks;
mod market_day;
