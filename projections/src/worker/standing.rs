//! Whether the log bears out a stored position: the record it stands on must be there, byte for byte.

use std::path::Path;

use orderledger_domain::position::TopicPartition;
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::keys::PARKED;
use orderledger_store::views::{Direction, ViewReader};

use super::folding::states_of;
use super::progress::{PartitionProgress, Standing, WorkerState};

/// Where a view stands that is only read: nothing works on it, so it is never at the log's end. Refuses where the log doesn't bear it
/// out.
pub fn of_older(
    reader: &ViewReader,
    log: &dyn EventLog,
    key: &StreamKey,
    what: &str,
    kept: &Path,
) -> Result<Standing, Error> {
    let mut standing = Standing { state: WorkerState::CatchingUp, ..Standing::default() };
    for (of, state) in states_of(reader.head())? {
        check_standing(log, key, of, state.last, what, kept)?;
        standing.partitions.insert(of, PartitionProgress::from(&state));
    }
    for entity in reader.scan_prefix(&[PARKED], Direction::Ascending) {
        entity?;
        standing.parked_entities = standing.parked_entities.saturating_add(1);
    }
    Ok(standing)
}

/// Refuses a stored position that the log doesn't bear out: it ends before it or holds another record there.
pub fn check_standing(
    log: &dyn EventLog,
    key: &StreamKey,
    of: TopicPartition,
    last: Option<(u64, u64)>,
    what: &str,
    kept: &Path,
) -> Result<(), Error> {
    let Some((offset, digest)) = last else { return Ok(()) };
    let found = digest_at(log, key, of, offset)?;
    if found == Some(digest) {
        return Ok(());
    }
    let (finding, first) = match found {
        None => ("the log ends before it", ""),
        Some(_) => ("the log holds another record there, or was begun with another stream key", "use that key, "),
    };
    let what = format!(
        "the {what} in {} stands on this record, but {finding}: {first}restore the log that belongs to the data \
         directory, or remove that path to rebuild it from this log",
        kept.display()
    );
    Err(Error::refused(of.offset(offset), what))
}

/// The digest of the record at that offset, if there is one.
pub fn digest_at(log: &dyn EventLog, key: &StreamKey, of: TopicPartition, offset: u64) -> Result<Option<u64>, Error> {
    if offset >= log.end_offset(of)? {
        return Ok(None);
    }
    let records = log.read(of, offset, 1)?;
    let record = records.first().filter(|record| record.offset == offset);
    Ok(record.map(|record| key.digest(record.key.as_deref(), record.value.as_deref())))
}
