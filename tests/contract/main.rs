//! The query API seen from outside, on the embedded log: what it promises to people, programs and auditors.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod analytics;
mod bulk;
mod canary;
mod cycle;
mod document;
mod export;
mod hot;
mod metrics;
mod notifications;
mod past;
mod proof;
mod streams;
mod trace;
