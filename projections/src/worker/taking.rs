//! What becomes of a record that a projection reads: applied, or one of the four other things that are counted.

use orderledger_domain::entity::name_in_key;
use orderledger_domain::partition::of_key;
use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::Topic;

use super::fold::{Failure, Fold, Outcome, Unappliable};
use super::folding::Folding;
use super::parks::parks;
use super::partition::{Arrived, Fate, claims_to_be_derived};
use super::poison;
use super::read::{Read, lacks};
use super::trace;
use crate::parking::decisions::Hearer;
use crate::parking::entities::New;
use crate::parking::rows::Kind;

impl<F: Fold> Folding<F> {
    /// Takes one record: applies it, or lets it wait. After a failure nothing since the last commit may be committed.
    pub fn take(&mut self, read: &Read) -> Result<(), Failure> {
        let of = read.position.topic_partition();
        let state = self.states.entry(of).or_default();
        if of.topic == Topic::DeadLetters && read.position.offset < state.next_offset {
            // Decisions are read before everything else, so a pass from zero meets them again.
            return Ok(());
        }
        let said = |what: String| Failure::Record(Unappliable(format!("{}: {what}", read.position)));
        let arrived = state.take(read).map_err(|error| said(error.to_string()))?;
        if let (Arrived::Derived, Some(lacking)) = (arrived, read.lacks) {
            return Err(said(lacks(lacking)));
        }
        let fate = self.judge(read, arrived).map_err(|failure| match failure {
            Failure::Record(error) => said(error.to_string()),
            failure => failure,
        })?;
        self.states.entry(of).or_default().accounting.count(fate);
        trace::became(fate);
        Ok(())
    }

    fn judge(&mut self, read: &Read, arrived: Arrived) -> Result<Fate, Failure> {
        let is_misplaced = arrived == Arrived::Outside && is_misplaced(read);
        if parks::<F>().is_none() {
            let outcome = self.apply(read, arrived)?;
            return Ok(match arrived {
                Arrived::Repeat { .. } => Fate::Duplicate,
                Arrived::Outside if is_misplaced => Fate::Rejected,
                Arrived::Derived | Arrived::Outside => fate_of(outcome),
            });
        }
        let kind = match arrived {
            Arrived::Repeat { .. } => return Ok(Fate::Duplicate),
            Arrived::Outside if is_misplaced => return Ok(Fate::Rejected),
            Arrived::Outside => Kind::Outside,
            Arrived::Derived => Kind::Derived,
        };
        if !F::TOPICS.contains(&read.position.topic) {
            return if kind == Kind::Outside { self.hear(read) } else { Ok(Fate::Ignored) };
        }
        let owner = self.asked.take(read, arrived);
        if self.parking.is_quiet() {
            return self.try_first(read, kind, owner.as_deref());
        }
        if let Some(name) = self.whose(read, owner.as_deref()) {
            if self.parking.is_parked(name) && !planted::is(Bug::ParkedSuccessorEarly) {
                self.parking.wait(name, read, kind);
                return Ok(Fate::Parked);
            }
            if self.parking.is_discarded(read.position, name) {
                self.pass_over(name, read.position, kind, Some(read));
                self.parking.forget_ahead(read.position);
                return Ok(Fate::Rejected);
            }
        }
        let fate = self.try_first(read, kind, owner.as_deref())?;
        self.parking.forget_ahead(read.position);
        Ok(fate)
    }

    /// Whose record it is: what its key names, or else whom it answers. A record of an entity stands in its own partition; under
    /// its key elsewhere it is nobody's.
    fn whose<'a>(&self, read: &'a Read, owner: Option<&'a str>) -> Option<&'a str> {
        let is_home = |name: &&str| of_key(name.as_bytes(), self.partitions) == read.position.partition;
        name_in_key(read.key.as_deref()).or(owner).filter(is_home)
    }

    /// A record of `dead-letters` that is in no stream.
    fn hear(&mut self, read: &Read) -> Result<Fate, Failure> {
        let Some(kind) = parks::<F>() else { return Ok(Fate::Ignored) };
        let by = Hearer {
            projection: F::NAME,
            kind,
            topics: F::TOPICS,
            partitions: self.partitions,
            view: &self.view,
            states: &self.states,
        };
        Ok(self.parking.hear(&by, read)?)
    }

    /// Applies a record that nothing holds up; where that can't be, its entity is parked.
    fn try_first(&mut self, read: &Read, kind: Kind, owner: Option<&str>) -> Result<Fate, Failure> {
        let error = match self.apply(read, kind.into()) {
            Ok(outcome) => {
                if kind == Kind::Derived {
                    self.breaker.succeeded();
                }
                return Ok(fate_of(outcome));
            }
            Err(Failure::Record(error)) => error,
            Err(failure) => return Err(failure),
        };
        let Some(entity) = self.whose(read, owner).and_then(|name| parks::<F>().and_then(|kind| kind.named(name)))
        else {
            return Err(error.into());
        };
        if let Some(why) = self.breaker.failed() {
            return Err(Failure::Halt(format!(
                "{why}; the last one is {}, of {entity}: {error}. Nothing since the last commit is kept. Fix the program \
                 and start it again; or, if these are to be parked, raise --parking-consecutive or --parking-ratio",
                read.position
            )));
        }
        let since = self.recorded_at(read);
        self.parking.park(New { entity, head: read.position, kind, error: error.0, since });
        Ok(Fate::Parked)
    }

    /// The newest append time of a record's partition.
    pub(super) fn recorded_at(&self, read: &Read) -> orderledger_domain::timestamp::Timestamp {
        let state = self.states.get(&read.position.topic_partition());
        state.map_or(read.recorded_at, |state| state.recorded_at)
    }

    pub(super) fn apply(&mut self, read: &Read, arrived: Arrived) -> Result<Outcome, Failure> {
        if poison::refuses(F::NAME, read.position) {
            return Err(Unappliable("it is poisoned".to_owned()).into());
        }
        self.fold.apply(&self.view, read, arrived)
    }
}

pub(super) const fn fate_of(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Applied => Fate::Applied,
        Outcome::Ignored => Fate::Ignored,
    }
}

/// Whether a record that is in no stream should be in one, where it stands. An operator's in `dead-letters` should not.
fn is_misplaced(read: &Read) -> bool {
    matches!(read.position.topic, Topic::Books | Topic::Trades) || claims_to_be_derived(read)
}
