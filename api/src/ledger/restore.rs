//! Filling an empty data directory, or empty topics, with a log that stands elsewhere.
//!
//! Until every record was read again and found to be as it was, nothing takes the new log for one: the directory is none yet, and the
//! topics still stamp nothing themselves.

use std::path::Path;

use orderledger_store::event_log::embedded::{EmbeddedLog, EmbeddedOptions, EmbeddedRestoring};
use orderledger_store::event_log::kafka::topics::{create_to_restore, finish_restored};
use orderledger_store::event_log::kafka::{KafkaLog, KafkaRestoring, KafkaSettings};
use orderledger_store::{DataDir, Error};

use crate::export::{Origin, compare, copy};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Records are written.
    Copying,
    /// They are read again, here and there.
    Comparing,
}

/// Told how many records a step has done.
pub(crate) type Told<'a> = &'a mut dyn FnMut(Step, usize);

/// Into a directory that is new or empty. How many records it has now.
pub(crate) fn restore_embedded(
    path: &Path,
    partitions: u32,
    from: &Origin<'_>,
    told: Told<'_>,
) -> Result<usize, Error> {
    let mut data = DataDir::open_to_restore(path)?;
    if data.partitions().is_some() {
        let what =
            "it holds a ledger already, and a log is restored into a new directory alone; name another with --data";
        return Err(Error::refused(path, what));
    }
    let unfinished = data.unfinished_log_path();
    let restored = into_files(&unfinished, partitions, from, told);
    if restored.is_err()
        && let Err(error) = data.remove_unfinished_log()
    {
        tracing::warn!(%error, "an unfinished file stays; remove it");
    }
    let records = restored?;
    data.adopt_log(partitions)?;
    Ok(records)
}

fn into_files(path: &Path, partitions: u32, from: &Origin<'_>, told: Told<'_>) -> Result<usize, Error> {
    let mut restoring = EmbeddedRestoring::create(path, partitions)?;
    let records = copy(from, &mut restoring, &mut |done| told(Step::Copying, done))?;
    drop(restoring);
    let log = EmbeddedLog::open(path, partitions, EmbeddedOptions::default())?;
    compare(from, &log, &mut |done| told(Step::Comparing, done))?;
    Ok(records)
}

/// Into topics that are missing or empty; they are made. How many records they have now.
pub(crate) fn restore_kafka(
    settings: &KafkaSettings,
    (partitions, replication): (u32, Option<i32>),
    from: &Origin<'_>,
    told: Told<'_>,
) -> Result<usize, Error> {
    create_to_restore(settings, partitions, replication)?;
    let mut restoring = KafkaRestoring::start(settings)?;
    let records = copy(from, &mut restoring, &mut |done| told(Step::Copying, done))?;
    drop(restoring);
    let log = KafkaLog::open(settings.clone(), Some(partitions))?;
    compare(from, &log, &mut |done| told(Step::Comparing, done))?;
    finish_restored(settings, partitions)?;
    Ok(records)
}
