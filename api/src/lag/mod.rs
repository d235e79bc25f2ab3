//! How far every group of workers is behind the log: one computation, which `readyz`, `/v1/projections` and with it `status`,
//! the channel `lag`, the metrics and so the alerts all show.
//!
//! - `partition`: of one reader and one partition, at one moment
//! - `track`: what needs a memory: rates, and who stands still
//! - `class`: how far behind a group may be
//! - `group`: a group as it is shown
//! - `share`: whether what goes last gets anywhere
//! - `watch`: looks at all of them, whether anybody asks or not
//!
//! In: what the workers publish, and what the log knows of its ends without asking. Never: a question to the cluster.

mod class;
mod group;
mod partition;
mod share;
mod track;
mod watch;

pub(crate) use class::Class;
pub(crate) use group::{Group, PartitionLag, STATES};
pub(crate) use partition::{Lag, lag};
pub(crate) use watch::{Watch, start};
