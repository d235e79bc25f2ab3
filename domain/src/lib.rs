//! Crate.

pub mod terms;
