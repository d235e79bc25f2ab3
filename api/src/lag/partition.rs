//! The lag of one reader of one partition.

use orderledger_domain::position::TopicPartition;
use orderledger_projections::worker::progress::PartitionProgress;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use serde::Serialize;

use crate::ledger;

/// How far behind the log's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Lag {
    /// Offsets that are not read.
    #[serde(rename = "lagRecords")]
    pub(crate) records: u64,
    /// How long the first record that is not read has stood in the log, at most.
    #[serde(rename = "lagMs")]
    pub(crate) millis: i64,
}

impl Lag {
    /// Whether it is more than a caller accepts.
    pub(crate) fn exceeds(self, stale_max: Option<u64>) -> bool {
        stale_max.is_some_and(|max| u64::try_from(self.millis).is_ok_and(|lag| lag > max))
    }

    /// That of both together.
    #[must_use]
    pub(crate) fn and(self, other: Lag) -> Lag {
        Lag { records: self.records.saturating_add(other.records), millis: self.millis.max(other.millis) }
    }
}

/// How far a reader of a partition is behind the end that is known, and how long at most, without asking the cluster. Without a
/// record to read it is not behind: what is left are holes.
pub(crate) fn lag(log: &dyn EventLog, of: TopicPartition, at: PartitionProgress) -> Result<Lag, Error> {
    let records = log.known_end(of)?.saturating_sub(at.next_offset);
    if records == 0 {
        return Ok(Lag::default());
    }
    let Some(oldest) = log.not_appended_before(of, at.next_offset)? else { return Ok(Lag::default()) };
    let millis = ledger::now().millis().saturating_sub(oldest).max(0);
    Ok(Lag { records, millis })
}
