//! A market day made from a seed, and how it goes to the log.
//!
//! In: how many orders and accounts, and a seed. Out: outside records of every kind.
//! Invariant: the day's outcome follows from the seed alone, however the workers are scheduled. Therefore the accounts of
//! a symbol live in one partition, none ever lacks funds unless it is meant to, and no order is amended twice.

pub mod dice;
pub mod feed;
pub mod figures;
pub mod market_day;

mod accounts;
mod floor;
mod step;
