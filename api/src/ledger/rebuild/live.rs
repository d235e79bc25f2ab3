//! Beginning rebuilds and rollbacks of a running server, and ending them.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use orderledger_projections::worker::fold::Failure;
use orderledger_store::views::is_whole;
use orderledger_store::{At, Error};
use uuid::Uuid;

use super::building::build;
use super::job::{Asked, Job, Phase};
use super::replacing::{Ended, roll_back};
use crate::ledger::{Ledger, ViewHandle};

/// The threads that rebuild.
#[derive(Default)]
pub(crate) struct Rebuilds {
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Rebuilds {
    /// Waits for those that still run; they end soon once the program is to end.
    pub(crate) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a rebuild ended in a panic");
            }
        }
    }

    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        let spawned = std::thread::Builder::new().name("rebuild".to_owned()).spawn(work);
        let failed = |cause| Error::unavailable(At::Log, "the system gives no thread to rebuild").with_source(cause);
        threads.push(spawned.map_err(failed)?);
        Ok(())
    }
}

/// Why one isn't begun.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// Another one of that projection runs, towards that generation.
    Runs(&'static str, u64),
    /// There is no generation to go back to.
    NothingBefore(&'static str),
    /// Another was asked for under the same key.
    KeyReused,
    Store(Error),
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> NotBegun {
        NotBegun::Store(error)
    }
}

/// A projection and what is done to it.
pub(super) struct One {
    pub(super) handle: Arc<ViewHandle>,
    pub(super) job: Arc<Job>,
}

/// Begins it for these projections, in one pass over the log, or for none of them. The jobs, and whether they were begun
/// before, under the same key.
pub(crate) fn begin(
    ledger: &Arc<Ledger>,
    handles: &[&Arc<ViewHandle>],
    asked: &Asked,
    key: Option<Uuid>,
) -> Result<(Vec<Arc<Job>>, bool), NotBegun> {
    // In the order of the list of all: two that begin at once can't hold each other up.
    let mut slots = Vec::new();
    for handle in handles {
        slots.push((*handle, handle.job.lock().unwrap_or_else(PoisonError::into_inner)));
    }
    let mut same = Vec::new();
    for (_, slot) in &slots {
        same.extend(slot.as_ref().filter(|job| key.is_some() && job.key == key).cloned());
    }
    if same.len() == slots.len() {
        return if same.iter().all(|job| job.asked == *asked) { Ok((same, true)) } else { Err(NotBegun::KeyReused) };
    }
    for (handle, slot) in &slots {
        if let Some(job) = slot.as_ref().filter(|job| job.runs()) {
            return Err(NotBegun::Runs(handle.name, job.generation));
        }
    }
    check_first_offsets(ledger, handles)?;
    let mut ones = Vec::new();
    for (handle, slot) in &mut slots {
        let mut seat = handle.seat();
        let generation = match asked {
            Asked::Rebuild(_) => seat.generations.create_next()?.0,
            Asked::Rollback => {
                let before = seat.generations.previous()?;
                let before = before.filter(|number| is_whole(&seat.generations.path(*number)));
                before.ok_or(NotBegun::NothingBefore(handle.name))?
            }
        };
        let job = Arc::new(Job::new(generation, asked.clone(), key));
        **slot = Some(Arc::clone(&job));
        ones.push(One { handle: Arc::clone(handle), job });
    }
    let jobs = ones.iter().map(|one| Arc::clone(&one.job)).collect();
    let (of, asked) = (Arc::clone(ledger), asked.clone());
    let failed: Vec<Arc<Job>> = ones.iter().map(|one| Arc::clone(&one.job)).collect();
    let work = move || match asked {
        Asked::Rebuild(_) => build(&of, ones),
        Asked::Rollback => ones.iter().for_each(|one| one.end(roll_back(&of, one))),
    };
    if let Err(error) = ledger.rebuilds.spawn(work) {
        failed.iter().for_each(|job| job.end(Phase::Failed, Some(error.to_string())));
        return Err(error.into());
    }
    Ok((jobs, false))
}

/// A log whose beginning is gone gives no view from offset zero.
fn check_first_offsets(ledger: &Ledger, handles: &[&Arc<ViewHandle>]) -> Result<(), Error> {
    for topic in handles.iter().flat_map(|handle| handle.kind.topics) {
        for partition in ledger.all_of(*topic) {
            let first = ledger.log.first_offset(partition)?;
            if first > 0 {
                let what = format!(
                    "the log begins at offset {first}: a rebuild from offset zero is impossible; restore the log from a \
                     copy that has its beginning"
                );
                return Err(Error::refused(partition, what));
            }
        }
    }
    Ok(())
}

impl One {
    /// Says what became of it, and removes what is left of a generation that is not live.
    pub(super) fn end(&self, ended: Result<Ended, Failure>) {
        let name = self.handle.name;
        let (phase, error) = match ended {
            Ok(Ended::Live) => (Phase::Done, None),
            Ok(Ended::Different) => {
                let what = "the rebuilt view differs from the live one, which stays; if the program was changed while \
                            something is parked, retry that first; else, if the new one is right, rebuild again and \
                            accept the difference";
                (Phase::Different, Some(what.to_owned()))
            }
            Ok(Ended::Canceled) => (Phase::Canceled, None),
            Err(failure) => (Phase::Failed, Some(failure.to_string())),
        };
        if phase == Phase::Done {
            tracing::info!(projection = name, generation = self.job.generation, "the generation is live");
        } else {
            tracing::warn!(projection = name, generation = self.job.generation, ?phase, ?error, "the live view stays");
            if let Err(error) = self.handle.seat().generations.dismiss(self.job.generation) {
                tracing::warn!(projection = name, %error, "what is left of the generation goes at the next start");
            }
        }
        self.job.end(phase, error);
    }
}
