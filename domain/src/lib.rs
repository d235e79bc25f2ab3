//! The rules of the ledger: what events say, what an order may do, what a trade costs.
//!
//! In: records' bytes, decisions to take. Out: events, movements of money, refusals with a reason.
//! Invariant: the same inputs in the same order give the same outputs, byte for byte, for ever.
//! Never: IO, async, a clock, random, HashMap order, binary floating point, a panic on input.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects, clippy::float_arithmetic))]

pub mod account;
pub mod book;
pub mod decimal;
pub mod entity;
pub mod envelope;
pub mod event;
pub mod ids;
pub mod money;
mod object;
pub mod order;
pub mod partition;
pub mod planted;
pub mod position;
pub mod reason;
pub mod rules;
pub mod said;
pub mod schema;
pub mod stream;
mod stream_key;
pub mod strict;
pub mod terms;
pub mod timestamp;
pub mod trace;
pub mod version;
