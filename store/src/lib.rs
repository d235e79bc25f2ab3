//! Durable bytes.
//!
//! In go records, rows and snapshots as bytes; out come the same bytes, or an [`Error`] that says what to do.
//! It keeps: what was acknowledged is there after a crash, and a position and its rows are one write.
//! It never knows a business rule, and it alone names the storage engines and the Kafka client.

pub mod data_dir;
pub mod event_log;
pub mod id_index;

pub mod atomic_file;
pub mod codec;
pub mod faults;
pub mod folder;
pub mod generations;
pub mod keys;
#[cfg(feature = "faults")]
pub mod memory_disk;
pub mod packed;
pub mod snapshot;
pub mod views;

mod error;
mod last;
mod polite;
mod redb_file;
mod urgent;

pub use data_dir::{DataDir, LogIdentity};
pub use error::{At, Cause, Error};
pub use id_index::IdIndex;
pub use last::{can_go_last, go_last, going_last, in_turn, last_no_more, may_go_last};
pub use polite::{be_polite, breathe, keep_half_free, lag_no_more, lagging_like_this, may_lag, while_lagging};
pub use urgent::{Urgency, allow_realtime};
