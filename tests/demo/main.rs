//! The market day through the program: it ends well, and its balances follow from the seed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod market_day;
