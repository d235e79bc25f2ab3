//! Rebuilding views from offset zero: one read of the log and one parse feed every projection that is rebuilt.

use std::collections::BTreeMap;
use std::time::Duration;

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_store::Error;
use orderledger_store::event_log::{EventLog, ReaderKind};
use orderledger_store::keys;

use crate::worker::any::AnyFolding;
use crate::worker::fold::Failure;
use crate::worker::read::Read;

/// After how many records the folds commit; between two commits they hold what changed.
const COMMIT_RECORDS: usize = 20_000;

/// How far a pass over the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Records read.
    pub records: u64,
    /// Offsets still to be read, as seen when the pass began; holes count.
    pub left: u64,
}

/// Folds everything from where the foldings stand (all at the same place, usually offset zero) up to the ends of the
/// log as seen now, in one pass, and commits it. Operators' decisions are read first, and what came meanwhile last.
pub fn fold_to_end(
    log: &dyn EventLog,
    key: &StreamKey,
    foldings: &mut [Box<dyn AnyFolding>],
    from: &BTreeMap<TopicPartition, u64>,
    on_progress: &mut dyn FnMut(Passed),
) -> Result<Passed, Failure> {
    foldings.iter_mut().try_for_each(|folding| folding.read_decisions(log, key))?;
    let topics: Vec<Topic> =
        Topic::ALL.into_iter().filter(|topic| foldings.iter().any(|folding| folding.reads(*topic))).collect();
    let mut ends = BTreeMap::new();
    for partition in topics.iter().flat_map(|topic| (0..log.partitions()).map(|partition| topic.at(partition))) {
        ends.insert(partition, log.end_offset(partition)?);
    }
    let assigned: Vec<(TopicPartition, u64)> =
        ends.keys().map(|partition| (*partition, from.get(partition).copied().unwrap_or(0))).collect();
    let mut reader = log.reader(&assigned, ReaderKind::Rebuild)?;
    let mut passed = Passed::default();
    let mut uncommitted = 0;
    loop {
        let left = |(partition, end): (&TopicPartition, &u64)| end.saturating_sub(reader.position(*partition));
        passed.left = ends.iter().map(left).sum();
        on_progress(passed);
        if passed.left == 0 {
            break;
        }
        for fetched in reader.poll(Duration::from_millis(100))? {
            let end = ends.get(&fetched.from).copied().unwrap_or(0);
            for record in fetched.records.into_iter().filter(|record| record.offset < end) {
                let read = Read::new(fetched.from, record, key);
                for folding in foldings.iter_mut() {
                    folding.take(&read)?;
                }
                passed.records += 1;
                uncommitted += 1;
            }
        }
        if uncommitted >= COMMIT_RECORDS {
            uncommitted = 0;
            foldings.iter_mut().try_for_each(|folding| folding.commit())?;
        }
    }
    for folding in foldings.iter_mut() {
        // The reader may be beyond the ends: what it found there is left for later.
        folding.pass_holes(&|of| ends.get(&of).map_or(0, |end| reader.position(of).min(*end)));
        folding.read_decisions(log, key)?;
        folding.commit()?;
        folding.release_all(log, key)?;
    }
    Ok(passed)
}

/// The first key at which two views differ, in key order; none if all their rows but bookkeeping are equal.
pub fn first_difference(
    live: &orderledger_store::views::View,
    rebuilt: &orderledger_store::views::View,
) -> Result<Option<Vec<u8>>, Error> {
    use orderledger_store::views::Direction;
    let (live, rebuilt) = (live.reader()?, rebuilt.reader()?);
    let all = (std::ops::Bound::Unbounded, std::ops::Bound::Excluded(vec![keys::BOOKKEEPING]));
    let mut left = live.scan(all.clone(), Direction::Ascending);
    let mut right = rebuilt.scan(all, Direction::Ascending);
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) if a == b => {}
            (Some((a, _)), Some((b, _))) => return Ok(Some(a.min(b).to_vec())),
            (Some((key, _)), None) | (None, Some((key, _))) => return Ok(Some(key.to_vec())),
        }
    }
}
