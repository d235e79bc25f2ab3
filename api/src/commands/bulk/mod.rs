//! Many requests in one call.

pub(crate) mod orders;

mod items;
