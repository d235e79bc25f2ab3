//! What all workers share: a record read once, how far a partition is known, the fold, progress that others wait for.

pub mod any;
pub mod board;
pub mod clock;
pub mod courtesy;
pub mod fold;
pub mod folding;
pub(crate) mod head;
pub(crate) mod pace;
mod parks;
pub mod partition;
pub mod pauses;
pub mod poison;
pub mod progress;
pub mod projection;
pub mod read;
mod releasing;
pub mod rest;
pub mod standing;
#[cfg(feature = "faults")]
pub mod stepped;
pub mod stop;
mod taking;
pub mod trace;
