//! A stage without threads: whoever owns it chooses whose turn it is. A simulation runs stages so.

use std::collections::VecDeque;
use std::time::Duration;

use orderledger_store::Error;

use super::fold::{Failure, StageFold};
use super::halves::{Again, Halves, again, begin, end_state, restore_again};
use super::outbox::Acknowledged;
use super::restore::restore;
use super::runner::Setup;
use crate::worker::pauses::Pauses;

/// A stage that takes one step at a time. Dropping it is a crash.
pub struct Stepped<F: StageFold> {
    setup: Setup<F::Shared>,
    pauses: Pauses,
    doing: Doing<F>,
}

enum Doing<F> {
    Running(Box<Attempt<F>>),
    Pausing { until: Duration, trust_marks: bool },
    Ended,
}

struct Attempt<F> {
    halves: Halves<F>,
    /// Acknowledged, and not kept yet.
    to_keep: VecDeque<Acknowledged>,
    /// A delivery failed: no acknowledgement is taken any more.
    failed: bool,
}

impl<F: StageFold> Stepped<F> {
    /// Restores the stage. Refuses to start where log and data directory disagree.
    pub fn start(mut setup: Setup<F::Shared>) -> Result<Stepped<F>, Error> {
        let restored = restore::<F>(&setup, true)?;
        let pauses = Pauses::new(&setup.clock);
        let begun = begin(&mut setup, restored);
        let mut stage = Stepped { setup, pauses, doing: Doing::Ended };
        stage.go_on(begun);
        Ok(stage)
    }

    /// A turn of the half that decides, or the next attempt when its time has come.
    pub fn decide(&mut self) {
        let setup = &mut self.setup;
        match &mut self.doing {
            Doing::Running(attempt) => {
                let Halves { deciding, reader, .. } = &mut attempt.halves;
                let turn = deciding.poll(&mut **reader, Duration::ZERO);
                let turn = turn.and_then(|fetched| deciding.turn(setup, &mut **reader, fetched));
                if let Err(failure) = turn {
                    attempt.end();
                    self.after(failure);
                }
            }
            Doing::Pausing { until, trust_marks } if setup.clock.now() >= *until => {
                let restored = restore_again(setup, *trust_marks);
                let begun = restored.and_then(|restored| begin(setup, restored));
                self.go_on(begun);
            }
            Doing::Pausing { .. } | Doing::Ended => {}
        }
    }

    /// A turn of the half that takes acknowledgements.
    pub fn acknowledge(&mut self) {
        if let Doing::Running(attempt) = &mut self.doing {
            attempt.acknowledge();
        }
    }

    /// Keeps the next snapshot that became valid, and marks if it is time.
    pub fn keep(&mut self) {
        let Doing::Running(attempt) = &mut self.doing else { return };
        if let Some(done) = attempt.to_keep.pop_front() {
            attempt.halves.keeping.keep(done);
        }
        attempt.halves.keeping.write_due_marks();
    }

    /// Asks for the end: no more is read, and last snapshots are on their way.
    pub fn begin_end(&mut self) {
        if let Doing::Running(attempt) = &mut self.doing {
            attempt.halves.deciding.keep_last_images(&mut self.setup);
        }
    }

    /// Whether all that it decided is acknowledged, or will never be.
    pub fn is_drained(&self) -> bool {
        match &self.doing {
            Doing::Running(attempt) => attempt.halves.deciding.is_drained(),
            Doing::Pausing { .. } | Doing::Ended => true,
        }
    }

    /// Ends the stage in order.
    pub fn end(&mut self) {
        if let Doing::Running(attempt) = &mut self.doing {
            attempt.end();
        }
        self.finish(Ok(()));
    }

    /// What its partitions share.
    pub const fn shared(&self) -> &F::Shared {
        &self.setup.shared
    }

    fn go_on(&mut self, begun: Result<Halves<F>, Failure>) {
        match begun {
            Ok(halves) => {
                let attempt = Attempt { halves, to_keep: VecDeque::new(), failed: false };
                self.doing = Doing::Running(Box::new(attempt));
            }
            Err(failure) => self.after(failure),
        }
    }

    fn after(&mut self, failure: Failure) {
        match again::<F>(&failure, &mut self.pauses, &self.setup.progress) {
            Some(Again { pause, trust_marks }) => {
                let until = self.setup.clock.now().saturating_add(pause);
                self.doing = Doing::Pausing { until, trust_marks };
            }
            None => self.finish(Err(failure)),
        }
    }

    fn finish(&mut self, ended: Result<(), Failure>) {
        self.doing = Doing::Ended;
        self.setup.progress.enter(end_state::<F>(ended));
    }
}

impl<F: StageFold> Attempt<F> {
    fn acknowledge(&mut self) {
        if self.failed {
            return;
        }
        match self.halves.acknowledging.turn(Duration::ZERO) {
            Some(done) => self.to_keep.extend(done),
            None => self.failed = true,
        }
    }

    /// What the threads do when the half that decides has ended.
    fn end(&mut self) {
        self.acknowledge();
        for done in self.to_keep.drain(..) {
            self.halves.keeping.keep(done);
        }
        self.halves.keeping.write_marks();
    }
}
