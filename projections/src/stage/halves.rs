//! One attempt of a stage, from a restore to the next failure: its two halves take turns, on threads or one after another.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orderledger_domain::planted::{self, Bug};
use orderledger_store::Error;
use orderledger_store::event_log::{AppenderKind, Reader, ReaderKind};

use super::acknowledging::Acknowledging;
use super::deciding::Deciding;
use super::fold::{Failure, StageFold};
use super::keeping::Keeping;
use super::outbox::Outbox;
use super::restore::{Restored, restore};
use super::runner::Setup;
use crate::worker::pauses::{Pauses, is_worth_another};
use crate::worker::progress::{PartitionProgress, Progress, Standing, WorkerState};

/// What runs until the next failure.
pub(super) struct Halves<F> {
    pub(super) deciding: Deciding<F>,
    pub(super) acknowledging: Acknowledging,
    pub(super) keeping: Keeping,
    pub(super) reader: Box<dyn Reader>,
}

/// Goes on from what was restored.
pub(super) fn begin<F: StageFold>(setup: &mut Setup<F::Shared>, restored: Restored<F>) -> Result<Halves<F>, Failure> {
    let appender = setup.log.appender(AppenderKind::Stage)?;
    let outbox = Outbox::new(appender, setup.log.commits_batches_atomically(), setup.stop.clone());
    let failure = Arc::new(Mutex::new(None));
    let mut deciding = Deciding::new(Arc::clone(&outbox), Arc::clone(&failure));
    let (mut from, mut standing) = (Vec::new(), Standing::default());
    for ((partition, recovered), resent_below) in (0..).zip(restored.recovered).zip(restored.resent_below) {
        let (next, source) = (recovered.fold.next_offset(), setup.source.at(partition));
        outbox.resume(partition, recovered.targets.clone());
        let one_off = u64::from(planted::is(Bug::SnapshotOneRecordOff) && next > 0);
        from.push((source, next + one_off));
        let accounting = recovered.fold.accounting();
        let consumed = accounting.consumed();
        let progress = PartitionProgress { next_offset: next, consumed, accounting, ..Default::default() };
        standing.partitions.insert(source, progress);
        deciding.add(source, recovered, restored.ends.get(&source).copied(), resent_below, setup.clock.now());
    }
    let reader = setup.log.reader(&from, ReaderKind::Group(F::NAME))?;
    deciding.begin(setup)?;
    let mut acknowledging = Acknowledging {
        outbox,
        source: setup.source,
        progress: setup.progress.clone(),
        answers: setup.answers.clone(),
        standing,
        ends: restored.ends,
        failure,
        ended: Arc::new(AtomicBool::new(false)),
    };
    acknowledging.begin();
    let keeping = Keeping::new(restored.stores, F::SCHEMA, &setup.clock);
    Ok(Halves { deciding, acknowledging, keeping, reader })
}

/// How a stage begins again.
pub(super) struct Again {
    pub(super) pause: Duration,
    pub(super) trust_marks: bool,
}

/// Whether it begins again from its snapshots after that: where that can help, which is after a gap in its own records, and
/// after a failed delivery or a log that gave no answer. Repeats are harmless.
pub(super) fn again<F: StageFold>(failure: &Failure, pauses: &mut Pauses, progress: &Progress) -> Option<Again> {
    let trust_marks = match failure {
        Failure::Gap(_) => planted::is(Bug::MarksTrustedAfterGap),
        Failure::Store(error) if is_worth_another(error) => true,
        _ => return None,
    };
    let pause = pauses.next(progress)?;
    match failure {
        Failure::Gap(what) => tracing::error!(stage = F::NAME, "{what}; sending again"),
        failure => tracing::warn!(stage = F::NAME, %failure, "the stage begins again from its last snapshots"),
    }
    Some(Again { pause, trust_marks })
}

/// Restores the folds once more.
pub(super) fn restore_again<F: StageFold>(
    setup: &mut Setup<F::Shared>,
    trust_marks: bool,
) -> Result<Restored<F>, Failure> {
    F::begin_again(&mut setup.shared);
    restore::<F>(setup, trust_marks).map_err(Failure::Store)
}

/// What a stage that ended so says of itself.
pub(super) fn end_state<F: StageFold>(ended: Result<(), Failure>) -> WorkerState {
    match ended {
        Ok(()) => WorkerState::Stopped("the program ends".to_owned()),
        Err(Failure::Store(error)) if !matches!(error, Error::Refused { .. }) => {
            tracing::error!(stage = F::NAME, %error, "the stage stops");
            WorkerState::Stopped(error.to_string())
        }
        Err(failure) => {
            tracing::error!(stage = F::NAME, "the stage halts: {failure}");
            WorkerState::Halted(failure.to_string())
        }
    }
}
