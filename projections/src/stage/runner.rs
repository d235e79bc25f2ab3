//! The threads of a stage: one reads and decides; the other takes acknowledgements, and a third keeps what they allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::{EventLog, Reader};
use orderledger_store::folder::Folder;
use orderledger_store::{At, Error, Urgency};

use super::deciding::Deciding;
use super::fold::{Failure, StageFold};
use super::gate::Place;
use super::halves::{Again, Halves, again, begin, end_state, restore_again};
use super::restore::{Restored, restore};
use crate::intake::answers::Answers;
use crate::worker::clock::Clock;
use crate::worker::pace;
use crate::worker::pauses::Pauses;
use crate::worker::progress::Progress;
use crate::worker::stop::Stop;

/// How long a loop waits for something to do before it looks whether to stop.
pub(super) const IDLE: Duration = Duration::from_millis(200);
/// How long the end of a stage waits for its last acknowledgements.
const DRAIN: Duration = Duration::from_secs(5);

/// What a stage is started with.
pub struct Setup<S> {
    /// The log it reads and writes.
    pub log: Arc<dyn EventLog>,
    /// The topic it reads.
    pub source: Topic,
    /// Where its snapshots are, a folder a partition below it.
    pub directory: Folder,
    /// The key of the streams.
    pub key: StreamKey,
    /// What its partitions share.
    pub shared: S,
    /// Where it publishes its acknowledged progress.
    pub progress: Progress,
    /// Where intake's answers go.
    pub answers: Option<Arc<Answers>>,
    /// Says when to end.
    pub stop: Stop,
    /// Says when snapshots, marks and another attempt are due.
    pub clock: Clock,
    /// After how many records of a partition a snapshot is kept, at the latest: a restart folds at most about so many again.
    pub snapshot_records: u64,
    /// Its place at the gate that no stage passes before the others accept the log.
    pub place: Place,
}

/// What [`Setup::snapshot_records`] is where nothing else is set.
pub const SNAPSHOT_RECORDS: u64 = 20_000;

/// A running stage.
pub struct Running {
    fold: JoinHandle<()>,
}

impl Running {
    /// Waits until the stage has ended; it drains its outbox and keeps a last snapshot first.
    pub fn join(self) {
        if self.fold.join().is_err() {
            tracing::error!("a stage ended in a panic");
        }
    }
}

/// Restores the stage and starts it. Refuses to start where log and data directory disagree.
pub fn start<F: StageFold + 'static>(mut setup: Setup<F::Shared>) -> Result<Running, Error>
where
    F::Shared: Send + 'static,
{
    let restored = restore::<F>(&setup, true)?;
    let run = move || {
        let ended = run_until_it_ends::<F>(&mut setup, restored);
        setup.progress.enter(end_state::<F>(ended));
    };
    let fold = std::thread::Builder::new()
        .name(F::NAME.to_owned())
        .spawn(run)
        .map_err(|error| Error::unavailable(At::Log, "the system gives no thread to read it").with_source(error))?;
    Ok(Running { fold })
}

/// Runs the stage, and begins again from its snapshots where that can help.
fn run_until_it_ends<F: StageFold>(setup: &mut Setup<F::Shared>, restored: Restored<F>) -> Result<(), Failure> {
    let mut pauses = Pauses::new(&setup.clock);
    let mut restored = Ok(restored);
    loop {
        let ended = restored.and_then(|restored| run_until_failure(setup, restored));
        let Err(failure) = ended else { return Ok(()) };
        let Some(Again { pause, trust_marks }) = again::<F>(&failure, &mut pauses, &setup.progress) else {
            return Err(failure);
        };
        setup.stop.sleep(pause);
        if setup.stop.is_set() {
            return Err(failure);
        }
        restored = restore_again(setup, trust_marks);
    }
}

fn run_until_failure<F: StageFold>(setup: &mut Setup<F::Shared>, restored: Restored<F>) -> Result<(), Failure> {
    let Halves { mut deciding, acknowledging, keeping, mut reader } = begin(setup, restored)?;
    let ended = Arc::clone(&acknowledging.ended);
    std::thread::scope(|scope| {
        let acknowledging = scope.spawn(move || acknowledging.run(keeping));
        // After a panic here too: else the scope would wait for ever.
        let ending = Ending(ended);
        let result = match run_until_the_end(setup, &mut deciding, &mut *reader) {
            Ok(()) => {
                deciding.keep_last_images(setup);
                drain(&deciding);
                Ok(())
            }
            // A full outbox gives up when the end is asked for. Then the folds are ahead of what it took: no snapshot of
            // them may be kept, the next start reads that again.
            Err(failure) if setup.stop.is_set() => {
                tracing::info!(stage = F::NAME, "{failure}");
                drain(&deciding);
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        drop(ending);
        let panicked = acknowledging.join().is_err();
        if panicked { Err(Failure::Halt("taking acknowledgements ended in a panic".to_owned())) } else { result }
    })
}

fn run_until_the_end<F: StageFold>(
    setup: &mut Setup<F::Shared>,
    deciding: &mut Deciding<F>,
    reader: &mut dyn Reader,
) -> Result<(), Failure> {
    let mut urgency = Urgency::default();
    while !setup.stop.is_set() {
        let fetched = deciding.poll(reader, IDLE)?;
        let begun = Instant::now();
        let records: usize = fetched.iter().map(|fetched| fetched.records.len()).sum();
        urgency.be(pace::is_live(records));
        deciding.turn(setup, reader, fetched)?;
        if records > 0 {
            pace::wait(begun, setup.log.gathering(), records);
        }
    }
    Ok(())
}

/// Waits, for a while, until all is acknowledged or a delivery failed.
fn drain<F: StageFold>(deciding: &Deciding<F>) {
    let deadline = Instant::now() + DRAIN;
    while !deciding.is_drained() && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Tells the other half of the stage to end when this half has.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
