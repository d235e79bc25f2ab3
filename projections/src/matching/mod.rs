//! Matching: folds `books`, whose offset is the matching order, into trades and what they mean for each order.
//!
//! One book a symbol, all in one fold a partition. Its records go to the users' partitions and to the public tape.

mod books;
mod fold;
mod published;
mod telling;

pub use fold::Matching;
