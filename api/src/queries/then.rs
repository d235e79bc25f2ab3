//! `asOfPosition`, `asOfTime` and `clock`: which past moment of a partition is asked for, and what an answer says of it.

use std::sync::Arc;
use std::time::Duration;

use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::audit::queries::{first_offset_since, record};
use orderledger_store::Error;

use super::{Reading, not_reached};
use crate::http::as_of::AsOf;
use crate::http::form::Form;
use crate::http::params::{MinPosition, Params, read_positions};
use crate::http::problem::{FieldError, Problem};
use crate::ledger::{Ledger, blocking};

/// Which moment of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Now,
    /// After the record at this offset.
    After(u64),
    /// Before the first record.
    Before,
    /// What had happened by then, whenever it was recorded.
    Happened(Timestamp),
}

impl Then {
    /// What is now is a row; what was may be many.
    pub(super) const fn reading(self) -> Reading {
        match self {
            Then::Now => Reading::LookUp,
            _ => Reading::Scan,
        }
    }
}

/// By which time of a record a moment is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// When the log took it: its newest append time never falls, so a moment is a place in the log.
    Recorded,
    /// When it happened, as its event says.
    Event,
}

/// The moment that a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    positions: Option<Vec<Position>>,
    time: Option<Timestamp>,
    clock: Clock,
}

impl Asked {
    /// `asOfPosition`, `asOfTime` and `clock`.
    pub(crate) fn of(params: &mut Params) -> Asked {
        let positions = params.query("asOfPosition", read_positions);
        let time = params.moment("asOfTime");
        let clock = params.query("clock", |text| match text {
            "recorded" => Ok(Clock::Recorded),
            "event" => Ok(Clock::Event),
            _ => Err("must be recorded or event"),
        });
        if positions.is_some() && time.is_some() {
            params.refuse("asOfTime", "excludes asOfPosition");
        }
        if clock.is_some() && time.is_none() {
            params.refuse("clock", "says how asOfTime is meant; give asOfTime with it");
        }
        Asked { positions, time, clock: clock.unwrap_or(Clock::Recorded) }
    }

    /// What streams whole is of now.
    pub(crate) fn comes_as(&self, form: Form, params: &mut Params) {
        if self.is_past() && form != Form::Json {
            let name = if self.time.is_some() { "asOfTime" } else { "asOfPosition" };
            params.refuse(name, "comes as pages of application/json only; leave the header Accept out");
        }
    }

    /// Whether a moment is asked for at all.
    pub(crate) const fn is_past(&self) -> bool {
        self.positions.is_some() || self.time.is_some()
    }

    /// Which moment of `home` that is; what a view must have applied for it is added to `min`.
    pub(crate) async fn at(
        &self,
        ledger: &Arc<Ledger>,
        home: TopicPartition,
        min: &mut MinPosition,
    ) -> Result<Then, Problem> {
        let then = match (&self.positions, self.time, self.clock) {
            (Some(positions), ..) => after_position(home, positions)?,
            (None, Some(time), Clock::Recorded) => recorded_at(ledger, home, time, min).await?,
            (None, Some(time), Clock::Event) => Then::Happened(time),
            (None, None, _) => Then::Now,
        };
        if let Then::After(offset) = then {
            min.positions.push(home.offset(offset));
        }
        Ok(then)
    }

    /// The same as parameters of another call, each after an `&`.
    pub(crate) fn as_query(&self) -> String {
        let positions = self.positions.iter().flatten().map(Position::to_string).collect::<Vec<_>>();
        let positions = (!positions.is_empty()).then(|| format!("&asOfPosition={}", positions.join(",")));
        let time = self.time.map(|time| format!("&asOfTime={time}"));
        let clock = (self.clock == Clock::Event).then(|| "&clock=event".to_owned());
        [positions, time, clock].into_iter().flatten().collect()
    }

    /// Whether positions are given, and none in that partition.
    pub(crate) fn leaves_out(&self, home: TopicPartition) -> bool {
        let names = |positions: &Vec<Position>| positions.iter().any(|position| position.topic_partition() == home);
        self.positions.as_ref().is_some_and(|positions| !names(positions))
    }
}

impl Then {
    /// The answer's `asOf`, if its rows are of this moment of `home`.
    pub(crate) async fn said(self, ledger: &Arc<Ledger>, home: TopicPartition, as_of: AsOf) -> Result<AsOf, Error> {
        Ok(match self {
            Then::Now => as_of,
            Then::After(offset) => {
                let ledger = Arc::clone(ledger);
                let recorded_at = blocking(move || appended_at(&ledger, home.offset(offset))).await?;
                as_of.then(home, Some(offset), recorded_at)
            }
            Then::Before => as_of.then(home, None, None),
            Then::Happened(time) => as_of.happened(time),
        })
    }
}

/// When the record there was appended: the audit trail knows it exactly and at once; the log, where the audit trail isn't there
/// yet, perhaps after a while.
fn appended_at(ledger: &Ledger, at: Position) -> Result<Option<Timestamp>, Error> {
    let known = ledger.audit.moment().and_then(|moment| record(&moment.reader, at)).unwrap_or_default();
    if let Some(record) = known {
        return Ok(Some(record.recorded_at));
    }
    Ok(ledger.log.appended_at(at.topic_partition(), at.offset)?.map(Timestamp::from_millis))
}

/// The newest of the positions in the partition itself; those elsewhere say nothing of it.
fn after_position(home: TopicPartition, positions: &[Position]) -> Result<Then, Problem> {
    let own = positions.iter().filter(|position| position.topic_partition() == home);
    own.map(|position| position.offset).max().map(Then::After).ok_or_else(|| {
        let detail = format!("must name a position in {home}, where the events of what is asked for stand");
        Problem::invalid(vec![FieldError::parameter("asOfPosition", detail)])
    })
}

/// After all that was recorded at that time or before; the audit trail knows where that is.
async fn recorded_at(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    time: Timestamp,
    min: &MinPosition,
) -> Result<Then, Problem> {
    let behind = Timestamp::from_micros(time.micros().saturating_add(1));
    let first = recorded_since(ledger, home, behind, min.within).await?;
    Ok(first.checked_sub(1).map_or(Then::Before, Then::After))
}

/// The first offset recorded at that time or later, be there such a record or not.
pub(super) async fn recorded_since(
    ledger: &Arc<Ledger>,
    home: TopicPartition,
    time: Timestamp,
    within: Duration,
) -> Result<u64, Problem> {
    let (first, is_known) = first_since(ledger, home, time).await?;
    if is_known {
        return Ok(first);
    }
    // Nothing later is known yet: what the log holds up to that time must be there.
    let end = ledger.end_of(home).await?;
    if !ledger.audit.wait(within, |standing| standing.has_applied_below(home, end)).await {
        return Err(not_reached());
    }
    Ok(first_since(ledger, home, time).await?.0)
}

/// The first offset recorded at that time or later, and whether such a record is there.
async fn first_since(ledger: &Arc<Ledger>, home: TopicPartition, time: Timestamp) -> Result<(u64, bool), Error> {
    let ledger = Arc::clone(ledger);
    blocking(move || {
        let moment = ledger.audit.moment()?;
        let next = moment.partitions.get(&home).map_or(0, |at| at.next_offset);
        let first = first_offset_since(&moment.reader, home, time)?;
        Ok((first, first < next))
    })
    .await
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::position::Topic;

    use super::*;

    #[test]
    fn the_past_is_named_by_a_position_of_the_partition_itself() {
        let check = |text: &str| after_position(Topic::Orders.at(3), &read_positions(text).unwrap()).ok();
        assert_eq!(check("orders-3@7,trades-1@9"), Some(Then::After(7)));
        assert_eq!(check("orders-3@7,orders-3@8"), Some(Then::After(8)));
        assert_eq!(check("orders-4@7"), None);
    }
}
