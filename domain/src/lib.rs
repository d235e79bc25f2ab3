//! Crate.

pub mod book;
pub mod terms;
