//! Placing, amending and canceling orders.

pub(crate) mod amend;
pub(crate) mod cancel;
pub(crate) mod cancel_all;
pub(crate) mod place;
pub(crate) mod placing;

mod change;
mod dry_run;
