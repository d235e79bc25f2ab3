//! `asOf`: which positions an answer rests on, and how far behind the log they are.

use std::collections::BTreeMap;

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::parking::queries::Parked;
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
    /// Set if the rows are of an entity that is parked.
    #[serde(skip)]
    pub(crate) parked: Option<ParkedState>,
}

/// What every answer about a parked entity says beside its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParkedState {
    state: &'static str,
    /// The rows are right up to here; null if the entity's partition has nothing before its first waiting record.
    last_good_position: Option<Position>,
    /// How many records wait.
    waiting: u64,
}

impl From<&Parked> for ParkedState {
    fn from(parked: &Parked) -> ParkedState {
        ParkedState { state: "parked", last_good_position: parked.last_good(), waiting: parked.row.waiting }
    }
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

    /// What rests on both.
    pub(crate) fn and(mut self, other: AsOf) -> AsOf {
        self.positions.extend(other.positions);
        self.time = self.time.max(other.time);
        self.lag_records = self.lag_records.saturating_add(other.lag_records);
        self.lag_ms = self.lag_ms.max(other.lag_ms);
        self
    }

    /// The same, of an entity that may be parked.
    #[must_use]
    pub(crate) fn of_entity(self, parked: Option<&Parked>) -> AsOf {
        AsOf { parked: parked.map(ParkedState::from), ..self }
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
