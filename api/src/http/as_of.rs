//! `asOf`: which positions an answer rests on, and how far behind the log they are.

use std::collections::BTreeMap;

use orderledger_domain::position::TopicPartition;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::worker::progress::PartitionProgress;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use serde::{Serialize, Serializer};

use crate::ledger;

/// The positions that an answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AsOf {
    /// The last offset applied, per partition that has one.
    #[serde(serialize_with = "by_name")]
    positions: BTreeMap<TopicPartition, u64>,
    /// The newest append time applied.
    time: Option<Timestamp>,
    /// How many records of these partitions are not applied.
    lag_records: u64,
    /// How long the oldest of them has been waiting.
    lag_ms: i64,
}

fn by_name<S: Serializer>(positions: &BTreeMap<TopicPartition, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(positions.iter().map(|(of, offset)| (of.to_string(), offset)))
}

impl AsOf {
    /// Adds a partition that the answer rests on, applied so far; one that is there already counts once.
    pub(crate) fn add(&mut self, log: &dyn EventLog, of: TopicPartition, at: PartitionProgress) -> Result<(), Error> {
        if self.positions.contains_key(&of) {
            return Ok(());
        }
        if let Some(last) = at.next_offset.checked_sub(1) {
            self.positions.insert(of, last);
            self.time = self.time.max(Some(at.recorded_at));
        }
        let lag = lag(log, of, at)?;
        self.lag_records = self.lag_records.saturating_add(lag.records);
        self.lag_ms = self.lag_ms.max(lag.millis);
        Ok(())
    }

    /// Of these partitions.
    pub(crate) fn of(
        log: &dyn EventLog,
        partitions: impl IntoIterator<Item = TopicPartition>,
        known: &BTreeMap<TopicPartition, PartitionProgress>,
    ) -> Result<AsOf, Error> {
        let mut as_of = AsOf::default();
        for of in partitions {
            as_of.add(log, of, known.get(&of).copied().unwrap_or_default())?;
        }
        Ok(as_of)
    }
}

/// How far behind the log's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) records: u64,
    pub(crate) millis: i64,
}

/// How far a reader of a partition is behind the end that is known without asking.
pub(crate) fn lag(log: &dyn EventLog, of: TopicPartition, at: PartitionProgress) -> Result<Lag, Error> {
    let records = log.known_end(of)?.saturating_sub(at.next_offset);
    if records == 0 {
        return Ok(Lag::default());
    }
    let Some(oldest) = log.appended_at(of, at.next_offset)? else { return Ok(Lag::default()) };
    let millis = ledger::now().millis().saturating_sub(oldest).max(0);
    Ok(Lag { records, millis })
}
