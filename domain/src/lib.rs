//! Crate.

pub mod position;
