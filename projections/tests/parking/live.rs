//! A projection as it runs: records of all its partitions in any order and any batches, restarts, an operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use orderledger_domain::position::Position;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::parking::queries;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_projections::worker::poison;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::{EventLog, MemoryLog};
use orderledger_store::views::{Direction, Schema, View};

use crate::operators::{Dice, decide, decide_after, newest_decision};

pub(crate) struct Live<'a, F> {
    pub(crate) log: &'a MemoryLog,
    pub(crate) view: Arc<View>,
    folding: Folding<F>,
    dice: Dice,
    /// What can't be applied at present.
    pub(crate) poison: BTreeSet<Position>,
    pub(crate) discards: BTreeSet<Position>,
    decided: u128,
    /// How often the projection was restarted, and how often that lost something.
    pub(crate) restarts: (u32, u32),
    is_dirty: bool,
}

impl<'a, F: Fold> Live<'a, F> {
    pub(crate) fn new(log: &'a MemoryLog, poison: BTreeSet<Position>, seed: u64) -> Live<'a, F> {
        let view = Arc::new(View::in_memory(Schema { name: F::NAME, version: F::SCHEMA }));
        set_poison::<F>(&poison);
        let folding = resume(&view, log);
        let discards = BTreeSet::new();
        Live { log, view, folding, dice: Dice(seed), poison, discards, decided: 0, restarts: (0, 0), is_dirty: false }
    }

    /// Reads everything, with decisions and restarts between; `batch` is the largest.
    pub(crate) fn run(&mut self, batch: u64, decisions: u32) {
        let mut left = decisions;
        while !self.is_at_end() || left > 0 {
            self.read_some(batch);
            match self.dice.below(12) {
                0 => self.restart(),
                1..4 => self.release(),
                4..8 => self.commit(),
                8..11 if left > 0 => {
                    left -= 1;
                    self.operate();
                }
                _ => {}
            }
        }
        self.finish();
    }

    fn is_at_end(&self) -> bool {
        self.folding.positions().into_iter().all(|(of, next)| next >= self.log.end_offset(of).unwrap())
    }

    fn read_some(&mut self, batch: u64) {
        let positions = self.folding.positions();
        let Some((of, next)) = self.dice.of(&positions).copied() else { return };
        let many = usize::try_from(1 + self.dice.below(batch)).unwrap();
        for record in self.log.read(of, next, many).unwrap() {
            self.folding.take(&Read::new(of, record, &StreamKey::default())).unwrap();
            self.is_dirty = true;
        }
    }

    fn release(&mut self) {
        self.is_dirty |= self.folding.is_releasing();
        let about = usize::try_from(1 + self.dice.below(20)).unwrap();
        self.folding.release(self.log, &StreamKey::default(), about).unwrap();
    }

    fn commit(&mut self) {
        self.folding.commit().unwrap();
        self.is_dirty = false;
    }

    fn restart(&mut self) {
        self.restarts = (self.restarts.0 + 1, self.restarts.1 + u32::from(self.is_dirty));
        self.folding = resume(&self.view, self.log);
        self.is_dirty = true;
    }

    /// An operator looks at what is committed, once all earlier decisions are in it, and decides about one head.
    fn operate(&mut self) {
        self.finish_decisions();
        let parked = queries::parked_entities(&self.view.reader().unwrap(), None, usize::MAX, Direction::Ascending);
        let parked = parked.unwrap();
        let Some(parked) = self.dice.of(&parked) else { return };
        assert!(!parked.note.releasing && parked.note.attempts > 0, "{parked:?}");
        let head = parked.row.head;
        let verdict = self.dice.below(3);
        if verdict == 0 {
            // The program is fixed.
            self.poison.remove(&head);
            set_poison::<F>(&self.poison);
        }
        if verdict == 2 {
            self.discards.insert(head);
        }
        self.decided += 1;
        let before = newest_decision(self.log, self.decided, &parked.entity, head);
        decide(self.log, self.decided, F::NAME, &parked.entity, head, verdict == 2);
        // Now and then another operator, who doesn't know of that one, decides otherwise: too late.
        if self.dice.below(4) == 0 {
            let late = self.decided + (1 << 64);
            decide_after(self.log, late, F::NAME, &parked.entity, (head, before), verdict != 2);
        }
        // Now and then the same request comes twice.
        if self.dice.below(4) == 0 {
            decide(self.log, self.decided, F::NAME, &parked.entity, head, verdict == 2);
        }
    }

    fn finish_decisions(&mut self) {
        self.folding.read_decisions(self.log, &StreamKey::default()).unwrap();
        while self.folding.is_releasing() {
            self.folding.release(self.log, &StreamKey::default(), 1000).unwrap();
        }
        self.commit();
    }

    /// Reads what is left of the decisions, and applies what they release.
    pub(crate) fn finish(&mut self) {
        self.finish_decisions();
        assert!(self.is_at_end());
    }
}

fn resume<F: Fold>(view: &Arc<View>, log: &MemoryLog) -> Folding<F> {
    let mut folding = Folding::resume(Arc::clone(view), log, &StreamKey::default(), "memory").unwrap();
    folding.read_decisions(log, &StreamKey::default()).unwrap();
    folding
}

/// From now on the projection can't apply these.
pub(crate) fn set_poison<F: Fold>(poison: &BTreeSet<Position>) {
    poison::here(poison.iter().map(|at| (F::NAME.to_owned(), *at)).collect());
}
