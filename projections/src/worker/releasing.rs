//! Applying what waits: in slices, so that nobody else is held up, each record from the log once more.

use orderledger_domain::position::{Position, Topic};
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;

use super::fold::{Failure, Fold};
use super::folding::Folding;
use super::parks::parks;
use super::partition::Fate;
use super::read::Read;
use super::taking::fate_of;
use super::trace;
use crate::parking::LOST;
use crate::parking::rows::Kind;

/// Records of one look into the log at most.
const REACH_MAX: usize = 1024;
/// What a look costs beside its records, in records.
const LOOK: usize = 16;
/// It is worth reading so many records for one that is wanted.
const DENSE: usize = 64;
/// Records of `dead-letters` that are read at once.
const DECISIONS_AT_ONCE: usize = 1024;

impl<F: Fold> Folding<F> {
    /// Whether anything that waits is to be applied.
    pub fn is_releasing(&self) -> bool {
        self.parking.is_releasing()
    }

    /// Applies records that wait and are to be applied, the earliest first, until it has read about so many; how many were
    /// tried or passed over. Where one can't be applied, its entity waits on, with that record as its head.
    pub fn release(&mut self, log: &dyn EventLog, key: &StreamKey, about: usize) -> Result<usize, Failure> {
        let (mut released, mut cost): (usize, usize) = (0, 0);
        // Where few of those that are read are wanted it is soon enough: decisions that came meanwhile make the next look worth
        // more, for what all of them wait for is read once.
        while cost < about {
            let Some(first) = self.parking.next_release() else { break };
            let records = match log.read(first.topic_partition(), first.offset, self.reach) {
                Err(Error::Refused { .. }) => Vec::new(),
                records => records?,
            };
            cost = cost.saturating_add(LOOK).saturating_add(records.len());
            if records.first().is_none_or(|record| record.offset != first.offset) {
                // Its entity alone waits on: a log that lost records stops nobody who has read them.
                let Some((name, kind)) = self.parking.released_at(first) else { break };
                if self.parking.is_discarded(first, &name) {
                    self.pass_over(&name, first, kind, None);
                    self.advance(first, &name, Fate::Rejected)?;
                    released += 1;
                    continue;
                }
                let since =
                    self.states.get(&first.topic_partition()).map_or_else(Default::default, |of| of.recorded_at);
                self.parking.fail(&name, LOST.to_owned(), since);
                continue;
            }
            let before = released;
            let many = records.len();
            for record in records {
                let at = first.topic_partition().offset(record.offset);
                let Some((name, kind)) = self.parking.released_at(at) else { continue };
                let read = Read::new(at.topic_partition(), record, key);
                let span = trace::taking(&read, F::NAME);
                span.in_scope(|| self.release_head(&name, kind, read))?;
                trace::taken(&span);
                released += 1;
            }
            // Where many of what is read are wanted it is read in long pieces, where few are record by record.
            let is_dense = released.saturating_sub(before).saturating_mul(DENSE) >= many;
            self.reach = if is_dense { self.reach.saturating_mul(2) } else { self.reach / 2 };
            self.reach = self.reach.clamp(1, REACH_MAX);
        }
        Ok(released)
    }

    fn release_head(&mut self, name: &str, kind: Kind, read: Read) -> Result<(), Failure> {
        let fate = if self.parking.is_discarded(read.position, name) {
            self.pass_over(name, read.position, kind, Some(&read));
            Fate::Rejected
        } else {
            match self.apply(&read, kind.into()) {
                Ok(outcome) => {
                    if kind == Kind::Derived {
                        self.breaker.released();
                    }
                    fate_of(outcome)
                }
                Err(Failure::Record(error)) => {
                    let since = self.recorded_at(&read);
                    self.parking.fail(name, error.0, since);
                    trace::became(Fate::Parked);
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        };
        trace::became(fate);
        self.advance(read.position, name, fate)
    }

    fn advance(&mut self, head: Position, name: &str, fate: Fate) -> Result<(), Failure> {
        let state = self.states.entry(head.topic_partition()).or_default();
        Ok(self.parking.advance(&self.view, name, fate, &mut state.accounting)?)
    }

    /// Tells the fold that a record of that entity is never applied.
    pub(super) fn pass_over(&mut self, name: &str, at: Position, kind: Kind, read: Option<&Read>) {
        if let Some(entity) = parks::<F>().and_then(|parks| parks.named(name)) {
            self.fold.pass_over(&entity, at, kind.into(), read);
        }
    }

    /// Reads operators' decisions up to their end as it is now, before anything else; true if anything was read. A
    /// projection that parks nothing has none.
    pub fn read_decisions(&mut self, log: &dyn EventLog, key: &StreamKey) -> Result<bool, Failure> {
        if parks::<F>().is_none() || F::TOPICS.contains(&Topic::DeadLetters) {
            return Ok(false);
        }
        let mut moved = false;
        for partition in 0..log.partitions() {
            let of = Topic::DeadLetters.at(partition);
            let end = log.end_offset(of)?;
            let mut next = self.states.get(&of).map_or(0, |state| state.next_offset);
            moved |= next < end;
            while next < end {
                let records = log.read(of, next, DECISIONS_AT_ONCE)?;
                // Behind the last record there may be a hole up to the end.
                next = records.last().map_or(end, |last| last.offset.saturating_add(1));
                for record in records {
                    self.take(&Read::new(of, record, key))?;
                }
            }
            self.pass_holes(&|partition| if partition == of { end } else { 0 });
        }
        Ok(moved)
    }
}
