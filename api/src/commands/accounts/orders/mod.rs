//! Placing, amending and canceling orders.

pub(crate) mod amend;
pub(crate) mod cancel;
pub(crate) mod place;

mod change;
