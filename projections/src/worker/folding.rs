//! A fold on its view: records in, rows and positions committed together, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::planted::{self, Bug};
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::views::View;

use super::fold::{Failure, Fold};
use super::head::Head;
use super::parks::parks;
use super::partition::PartitionState;
use super::progress::{PartitionProgress, Standing, WorkerState};
use super::read::lacks;
use super::standing::check_standing;
use crate::parking::asked::Asked;
use crate::parking::breaker::{Breaker, Limits};
use crate::parking::entities::Parking;

pub use super::head::states_of;

/// A projection's fold with the view that holds its rows and how far it knows each partition. After any failure nothing
/// since the last commit may be committed: resume again.
pub struct Folding<F> {
    pub(super) fold: F,
    pub(super) view: Arc<View>,
    pub(super) states: BTreeMap<TopicPartition, PartitionState>,
    /// Partitions of every topic.
    pub(super) partitions: u32,
    pub(super) parking: Parking,
    pub(super) asked: Asked,
    pub(super) breaker: Breaker,
    /// How many records the next look into the log takes, where what waits is applied.
    pub(super) reach: usize,
}

impl<F: Fold> Folding<F> {
    /// Takes up the fold where its view stands. Refuses where the log doesn't bear the view out.
    pub fn resume(view: Arc<View>, log: &dyn EventLog, key: &StreamKey, kept: &str) -> Result<Folding<F>, Error> {
        let Head { mut states, consecutive } = Head::read(view.reader()?.head())?;
        for topic in Topic::ALL.into_iter().filter(|topic| Self::reads(*topic)) {
            for partition in 0..log.partitions() {
                let partition = topic.at(partition);
                let state = states.entry(partition).or_default();
                check_standing(log, key, partition, state.last, F::NAME, kept.as_ref())?;
                if let Some(lacking) = state.marks.keys().find(|id| !key.knows(*id)) {
                    return Err(Error::refused(partition, lacks(lacking)));
                }
                let first = log.first_offset(partition)?;
                if state.next_offset < first {
                    let what = format!(
                        "the log begins at offset {first}, after the position of the {} view: a rebuild from offset \
                         zero is impossible; restore the log or the data directory",
                        F::NAME
                    );
                    return Err(Error::refused(partition, what));
                }
            }
        }
        let fold = F::load(&view, log.partitions())?;
        let (parking, asked) = match parks::<F>() {
            Some(_) => (Parking::load(&view, &states)?, Asked::load(log, &states)?),
            None => <(Parking, Asked)>::default(),
        };
        Ok(Folding {
            fold,
            partitions: log.partitions(),
            view,
            states,
            parking,
            asked,
            breaker: Breaker::new(consecutive),
            reach: 1,
        })
    }

    /// From now on too many entities parked by records that are taken stop the fold.
    pub fn limit(&mut self, limits: Limits) {
        self.breaker.limit(limits);
    }

    /// Whether it reads that topic: its own, and the decisions about what it parks.
    pub fn reads(topic: Topic) -> bool {
        F::TOPICS.contains(&topic) || (parks::<F>().is_some() && topic == Topic::DeadLetters)
    }

    /// Where to read on, partition by partition.
    pub fn positions(&self) -> Vec<(TopicPartition, u64)> {
        self.states.iter().map(|(partition, state)| (*partition, state.next_offset)).collect()
    }

    /// Passes offsets that hold no record, as far as everything was read; true if there were any.
    pub fn pass_holes(&mut self, read_below: &dyn Fn(TopicPartition) -> u64) -> bool {
        let mut passed = false;
        for (partition, state) in &mut self.states {
            let position = read_below(*partition);
            if position > state.next_offset {
                state.next_offset = position;
                passed = true;
            }
        }
        passed
    }

    /// Commits the rows that changed, with the positions, in one write.
    pub fn commit(&mut self) -> Result<(), Failure> {
        self.check_accounting()?;
        let mut changes = self.view.changes();
        self.fold.write_rows(&self.view, &mut changes)?;
        self.parking.write_rows(&mut changes)?;
        let head = Head::write(&self.states, self.breaker.consecutive())?;
        if planted::is(Bug::PositionBeforeRows) {
            self.view.commit(self.view.changes(), head.clone())?;
        }
        Ok(self.view.commit(changes, head)?)
    }

    /// Every record consumed became one of five things, and what is counted as parked waits.
    fn check_accounting(&self) -> Result<(), Failure> {
        let waiting = self.parking.waiting();
        for (of, state) in &self.states {
            let (consumed, sum) = (state.consumed, state.accounting.consumed());
            if consumed != sum {
                return Err(Failure::Halt(format!(
                    "{of}: {consumed} records were consumed, but what became of them sums up to {sum}: this is a fault \
                     of the program; rebuild the view with a version that has none"
                )));
            }
            let (parked, waiting) = (state.accounting.parked, waiting.get(of).copied().unwrap_or_default());
            if parked != waiting {
                return Err(Failure::Halt(format!(
                    "{of}: {parked} records are counted as parked, but {waiting} wait: this is a fault of the program; \
                     rebuild the view with a version that has none"
                )));
            }
        }
        Ok(())
    }

    /// How far the fold is.
    pub fn standing(&self, state: WorkerState) -> Standing {
        let partitions = self.states.iter().map(|(partition, state)| (*partition, PartitionProgress::from(state)));
        let parked_entities = u64::try_from(self.parking.len()).unwrap_or(u64::MAX);
        Standing { state, partitions: partitions.collect(), parked_entities }
    }

    /// The view.
    pub const fn view(&self) -> &Arc<View> {
        &self.view
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_store::event_log::MemoryLog;
    use orderledger_store::views::Schema;

    use super::*;
    use crate::market::Market;

    fn halts(spoil: impl FnOnce(&mut PartitionState)) -> String {
        let log = MemoryLog::new(1).unwrap();
        let view = Arc::new(View::in_memory(Schema { name: Market::NAME, version: Market::SCHEMA }));
        let mut folding = Folding::<Market>::resume(view, &log, &StreamKey::default(), "memory").unwrap();
        folding.commit().unwrap();
        spoil(folding.states.get_mut(&Topic::Trades.at(0)).unwrap());
        folding.commit().unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_don_t_add_up_halt_it() {
        let lost = halts(|state| state.consumed = 1);
        assert!(lost.starts_with("trades-0: 1 records were consumed, but what became of them sums up to 0:"), "{lost}");
        let forgotten = halts(|state| (state.consumed, state.accounting.parked) = (2, 2));
        assert!(forgotten.starts_with("trades-0: 2 records are counted as parked, but 0 wait:"), "{forgotten}");
    }
}
