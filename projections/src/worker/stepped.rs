//! A projection without a thread: whoever owns it chooses when it is its turn. A simulation runs projections so.

use std::time::Duration;

use orderledger_store::Error;

use super::fold::{Failure, Fold};
use super::folding::Folding;
use super::pauses::Pauses;
use super::progress::WorkerState;
use super::projection::{Attempt, Setup, again, end_state, resume};

/// A projection that takes one step at a time. Dropping it is a crash.
pub struct Stepped<F: Fold> {
    setup: Setup,
    pauses: Pauses,
    doing: Doing<F>,
}

enum Doing<F> {
    Running(Box<Attempt<F>>),
    Pausing(Duration),
    Ended,
}

impl<F: Fold> Stepped<F> {
    /// Takes the projection up where its view stands. Refuses where the log doesn't bear the view out.
    pub fn start(setup: Setup) -> Result<Stepped<F>, Error> {
        let folding = resume::<F>(&setup)?;
        setup.progress.publish(folding.standing(WorkerState::CatchingUp));
        let pauses = Pauses::new(&setup.clock);
        let mut projection = Stepped { setup, pauses, doing: Doing::Ended };
        projection.go_on(Ok(folding));
        Ok(projection)
    }

    /// Reads, folds and commits once, or begins the next attempt when its time has come.
    pub fn turn(&mut self) {
        match &mut self.doing {
            Doing::Running(attempt) => {
                let fetched = attempt.reader.poll(Duration::ZERO).map_err(Failure::from);
                if let Err(failure) = fetched.and_then(|fetched| attempt.turn(&self.setup, &fetched, false)) {
                    self.after(failure);
                }
            }
            Doing::Pausing(until) if self.setup.clock.now() >= *until => {
                let folding = resume::<F>(&self.setup).map_err(Failure::from);
                self.go_on(folding);
            }
            Doing::Pausing(_) | Doing::Ended => {}
        }
    }

    fn go_on(&mut self, folding: Result<Folding<F>, Failure>) {
        match folding.and_then(|folding| Attempt::begin(&self.setup, folding, false)) {
            Ok(attempt) => self.doing = Doing::Running(Box::new(attempt)),
            Err(failure) => self.after(failure),
        }
    }

    fn after(&mut self, failure: Failure) {
        self.doing = match again::<F>(&failure, &mut self.pauses, &self.setup) {
            Some(pause) => Doing::Pausing(self.setup.clock.now().saturating_add(pause)),
            None => {
                self.setup.progress.enter(end_state::<F>(Err(failure)));
                Doing::Ended
            }
        };
    }
}
