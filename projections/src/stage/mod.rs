//! What both stages share: outputs in streams, and the loop that reads, folds, emits, remembers and restarts.
//!
//! `DESIGN`, "Exactly once", points 2, 3 and 5. A stage has two halves: one decides; the other takes acknowledgements and
//! releases what may follow them, so that snapshots and marks can be kept. Threads run them, or a simulation, turn by turn.

mod acknowledging;
mod deciding;
pub mod emitter;
pub mod fold;
pub mod gate;
mod halves;
mod keeping;
pub mod outbox;
pub mod recovery;
mod restore;
pub mod runner;
#[cfg(feature = "faults")]
pub mod stepped;
mod targets;
mod twin;
