//! Kafka's own programs and other people's clients beside the ledger: what they choose, write and read.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod partitions;
