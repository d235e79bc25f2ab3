//! What is said of lag, of a group or of a group in one partition.

use std::time::Duration;

use serde::Serialize;

use crate::lag::{Class, Group, Lag, PartitionLag};

/// How far behind, and for how long.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaceColumns {
    #[serde(flatten)]
    lag: Lag,
    /// Records passed a second, holes included, in the last seconds.
    records_per_second: u64,
    /// Until it is at the log's end, if both go on like this.
    eta_ms: Option<u64>,
}

/// The same of a group, and how far behind it may be.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LagColumns {
    #[serde(flatten)]
    pace: PaceColumns,
    class: &'static str,
    /// Null: it may lag as it likes.
    target_ms: Option<u64>,
    over_target: bool,
}

impl From<&Group> for LagColumns {
    fn from(group: &Group) -> LagColumns {
        LagColumns {
            pace: PaceColumns::new(group.lag, group.per_second, group.eta),
            class: Class::as_str(group.class),
            target_ms: group.class.target().map(millis),
            over_target: group.is_over_target(),
        }
    }
}

impl From<&PartitionLag> for PaceColumns {
    fn from(one: &PartitionLag) -> PaceColumns {
        PaceColumns::new(one.lag, one.pace.per_second, one.pace.eta)
    }
}

impl PaceColumns {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is no more than what offsets hold"
    )]
    fn new(lag: Lag, per_second: f64, eta: Option<Duration>) -> PaceColumns {
        PaceColumns { lag, records_per_second: per_second.round() as u64, eta_ms: eta.map(millis) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
