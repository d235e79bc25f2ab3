//! What both stages share: outputs in streams, and the loop that reads, folds, emits, remembers and restarts.

pub mod emitter;
pub mod fold;
