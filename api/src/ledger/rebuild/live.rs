//! Beginning rebuilds and rollbacks of a running server, and ending them.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use orderledger_projections::worker::fold::Failure;
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
    /// What was begun by calls, oldest first.
    calls: Mutex<VecDeque<Begun>>,
}

/// What a call began.
struct Begun {
    call: Call,
    asked: Asked,
    jobs: Vec<Arc<Job>>,
}

/// So many calls are known again by their key.
const CALLS_KEPT: usize = 1000;

impl Rebuilds {
    /// Waits for those that still run; they end soon once the program is to end.
    pub(crate) fn join(&self) {
        loop {
            // One that ends may have begun another.
            let next = self.threads.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(thread) = next else { return };
            if thread.join().is_err() {
                tracing::error!("a rebuild ended in a panic");
            }
        }
    }

    /// Runs that on a thread of that name, which the end of the program waits for.
    pub(crate) fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        let failed = |cause| Error::unavailable(At::Log, "the system gives no thread for it").with_source(cause);
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
    /// The log is not what it was.
    Log(Error),
    Store(Error),
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> NotBegun {
        NotBegun::Store(error)
    }
}

/// A projection and what is done to it.
#[derive(Clone)]
pub(super) struct One {
    pub(super) handle: Arc<ViewHandle>,
    pub(super) job: Arc<Job>,
}

/// What a call asked for: it gives the same jobs again under the same key.
pub(crate) struct Call {
    pub(crate) key: Uuid,
    /// Whose rebuild or rollback, as the address says.
    pub(crate) path: String,
}

/// Begins it for these projections, in one pass over the log, or for none of them. The jobs, and whether they were begun
/// before, by the same call.
pub(crate) fn begin(
    ledger: &Arc<Ledger>,
    handles: &[&Arc<ViewHandle>],
    asked: &Asked,
    call: Option<Call>,
) -> Result<(Vec<Arc<Job>>, bool), NotBegun> {
    // One at a time: two at once can't both find nothing running, nor hold each other up.
    let mut calls = ledger.rebuilds.calls.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = call.as_ref().and_then(|call| calls.iter().find(|before| before.call.key == call.key)) {
        let same = call.is_some_and(|call| call.path == before.call.path) && before.asked == *asked;
        return if same { Ok((before.jobs.clone(), true)) } else { Err(NotBegun::KeyReused) };
    }
    ledger.log.same().map_err(NotBegun::Log)?;
    for handle in handles {
        if let Some(job) = handle.job().filter(|job| job.runs()) {
            return Err(NotBegun::Runs(handle.name, job.generation));
        }
        if let Some(error @ Error::Unavailable { .. }) = handle.live.load().view.failure() {
            return Err(error.into());
        }
    }
    let ones = jobs(ledger, handles, asked)?;
    let jobs: Vec<Arc<Job>> = ones.iter().map(|one| Arc::clone(&one.job)).collect();
    // Before it works: it counts those that run.
    for one in &ones {
        *one.handle.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&one.job));
    }
    let (of, again) = (Arc::clone(ledger), ones.clone());
    if let Err(error) = ledger.rebuilds.spawn("rebuild", move || work(&of, again)) {
        ones.iter().for_each(|one| one.end(Err(error.clone().into())));
        return Err(error.into());
    }
    if let Some(call) = call {
        calls.push_back(Begun { call, asked: asked.clone(), jobs: jobs.clone() });
        let beyond = calls.len().saturating_sub(CALLS_KEPT);
        calls.drain(..beyond);
    }
    Ok((jobs, false))
}

/// A job for each of them, or none at all.
fn jobs(ledger: &Ledger, handles: &[&Arc<ViewHandle>], asked: &Asked) -> Result<Vec<One>, NotBegun> {
    let mut ones: Vec<One> = Vec::new();
    for handle in handles {
        match generation(ledger, handle, asked) {
            Ok(number) => {
                ones.push(One { handle: Arc::clone(handle), job: Arc::new(Job::new(number, asked.clone())) });
            }
            Err(why) => {
                ones.iter().for_each(One::dismiss);
                return Err(why);
            }
        }
    }
    Ok(ones)
}

/// The generation that is made, or gone back to.
fn generation(ledger: &Ledger, handle: &ViewHandle, asked: &Asked) -> Result<u64, NotBegun> {
    if *asked != Asked::Rollback {
        check_first_offsets(ledger, handle)?;
        return Ok(handle.seat().generations.create_next()?.0);
    }
    let seat = handle.seat();
    seat.generations.previous()?.ok_or(NotBegun::NothingBefore(handle.name))
}

/// Does it, to its end; also where that is a panic.
fn work(ledger: &Arc<Ledger>, ones: Vec<One>) {
    let rolls_back = ones.iter().all(|one| one.job.asked == Asked::Rollback);
    let left = ones.clone();
    let done = catch_unwind(AssertUnwindSafe(|| {
        if rolls_back {
            ones.iter().for_each(|one| one.end(roll_back(ledger, one)));
        } else {
            build(ledger, ones);
        }
    }));
    for one in left.iter().filter(|one| one.job.runs()) {
        let what =
            if done.is_err() { "it ended in a panic; the log of the program says where" } else { "it did not end" };
        one.end(Err(Failure::Halt(what.to_owned())));
    }
}

/// A log whose beginning is gone gives no view from offset zero.
fn check_first_offsets(ledger: &Ledger, handle: &ViewHandle) -> Result<(), Error> {
    for topic in handle.kind.topics {
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
            Err(failure) => {
                self.handle.is_awaited.store(false, Ordering::Release);
                (Phase::Failed, Some(failure.to_string()))
            }
        };
        if phase == Phase::Done {
            tracing::info!(projection = name, generation = self.job.generation, "the generation is live");
        } else {
            tracing::warn!(projection = name, generation = self.job.generation, ?phase, ?error, "the live view stays");
            self.dismiss();
        }
        self.job.end(phase, error);
    }

    /// Removes what there is of a generation that was being made.
    fn dismiss(&self) {
        if let Err(error) = self.handle.seat().generations.dismiss(self.job.generation) {
            tracing::warn!(projection = self.handle.name, %error, "what is left of the generation goes at the next start");
        }
    }
}
