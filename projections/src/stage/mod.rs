//! What both stages share: outputs in streams, and the loop that reads, folds, emits, remembers and restarts.
//!
//! `DESIGN`, "Exactly once", points 2, 3 and 5. A stage is one thread that folds, and one that takes acknowledgements,
//! releases what may follow them and keeps snapshots and marks.

mod acknowledging;
pub mod emitter;
pub mod fold;
pub mod outbox;
pub mod recovery;
mod restore;
pub mod runner;
mod targets;
