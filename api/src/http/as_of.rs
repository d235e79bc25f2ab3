//! `asOf`: which positions an answer rests on, and how far behind the log they are.

use std::collections::BTreeMap;
use std::fmt;

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::parking::queries::Parked;
use orderledger_projections::worker::progress::PartitionProgress;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use serde::{Serialize, Serializer};

use crate::lag::{Lag, lag};

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
    /// Where the rows were read, if they are of a moment before that: [`AsOf::positions`] names the moment.
    #[serde(skip)]
    read_at: Option<BTreeMap<TopicPartition, u64>>,
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

impl fmt::Display for ParkedState {
    /// As a header shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; waiting={}", self.state, self.waiting)?;
        self.last_good_position.map_or(Ok(()), |position| write!(f, "; lastGoodPosition={position}"))
    }
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

    /// The partitions that it rests on and that have records.
    pub(crate) fn rests_on(&self) -> impl Iterator<Item = TopicPartition> {
        self.positions.keys().copied()
    }

    /// Of a partition as it was after the record at `last`, or before its first one.
    #[must_use]
    pub(crate) fn then(mut self, of: TopicPartition, last: Option<u64>, time: Option<Timestamp>) -> AsOf {
        if self.read_at.is_none() {
            self.read_at = Some(self.positions.clone());
            self.time = None;
        }
        match last {
            Some(last) => self.positions.insert(of, last),
            None => self.positions.remove(&of),
        };
        self.time = self.time.max(time);
        self
    }

    /// Of what had happened by then, as far as it is known.
    #[must_use]
    pub(crate) fn happened(self, time: Timestamp) -> AsOf {
        AsOf { time: Some(time), ..self }
    }

    /// What a caller carries on, so that no later answer is of an earlier state: the header `Ledger-Position`.
    pub(crate) fn ledger_position(&self) -> String {
        let positions = self.read_at.as_ref().unwrap_or(&self.positions);
        let positions: Vec<String> = positions.iter().map(|(of, last)| of.offset(*last).to_string()).collect();
        positions.join(",")
    }

    /// How far the answer lags.
    pub(crate) const fn lag(&self) -> Lag {
        Lag { records: self.lag_records, millis: self.lag_ms }
    }

    /// The end of what it rests on in that partition.
    pub(crate) fn end_of(&self, of: TopicPartition) -> u64 {
        self.positions.get(&of).map_or(0, |last| last.saturating_add(1))
    }

    /// Whether a view that stands there has all that it rests on.
    pub(crate) fn is_reached_by(&self, known: &BTreeMap<TopicPartition, PartitionProgress>) -> bool {
        let reached = |of: &TopicPartition| known.get(of).is_some_and(|at| at.next_offset >= self.end_of(*of));
        self.positions.keys().all(reached)
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
