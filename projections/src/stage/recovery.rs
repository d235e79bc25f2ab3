//! From where a stage goes on after a restart, and which of its outputs stand in the log already.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::{StreamId, StreamKey};
use orderledger_store::event_log::EventLog;
use orderledger_store::snapshot::{Snapshot, SnapshotStore, TargetMark};
use orderledger_store::{At, Error};

use super::emitter::{Emitted, Output};
use super::fold::{Failure, StageFold};
use super::targets::{StreamEnds, verify_streams};
use crate::worker::standing::{check_standing, digest_at};

/// Which outputs of a replay are to be sent.
#[derive(Clone, Debug)]
pub enum Sending {
    /// Those of causes at or above this offset; all others are acknowledged.
    FromCause(u64),
    /// Those above what stands in the target logs, which the replay must reproduce; what it has reproduced is taken out.
    AboveLog(BTreeMap<TopicPartition, Emitted>),
}

impl Sending {
    /// Whether an output is to be sent. An output that differs from what stands in the log refuses the start.
    pub fn wants(&mut self, output: &Output) -> Result<bool, Failure> {
        match self {
            Sending::FromCause(from) => Ok(output.cause_offset >= *from),
            Sending::AboveLog(ends) => match ends.get(&output.to) {
                Some(end) if output.mark.sequence < end.mark.sequence => Ok(false),
                Some(end) => {
                    same_as_log(output, end)?;
                    ends.remove(&output.to);
                    Ok(false)
                }
                None => Ok(true),
            },
        }
    }

    /// Drops the outputs from `before` on that are not to be sent.
    pub(super) fn keep_wanted(&mut self, outputs: &mut Vec<Output>, before: usize) -> Result<(), Failure> {
        for output in outputs.split_off(before) {
            if self.wants(&output)? {
                outputs.push(output);
            }
        }
        Ok(())
    }

    /// Refuses the start if the whole source didn't lead to what stands in the target logs.
    pub fn check_reproduced(&self) -> Result<(), Failure> {
        let Sending::AboveLog(ends) = self else { return Ok(()) };
        let Some((target, end)) = ends.first_key_value() else { return Ok(()) };
        let what = "nothing that the stage's source holds leads to this record: the source has lost its end; restore \
                    the log as a whole";
        Err(Failure::Store(Error::refused(target.offset(end.offset), what)))
    }

    /// Whether all that stands in the target logs was reproduced, or needs not be.
    pub fn has_reproduced(&self) -> bool {
        !matches!(self, Sending::AboveLog(ends) if !ends.is_empty())
    }

    /// Whether a fold that stands there may still have outputs held back: a snapshot of it would send them again.
    pub fn holds_back(&self, next_offset: u64) -> bool {
        match self {
            Sending::FromCause(from) => next_offset < *from,
            Sending::AboveLog(ends) => !ends.is_empty(),
        }
    }
}

fn same_as_log(output: &Output, end: &Emitted) -> Result<(), Failure> {
    if output.mark.digest == end.mark.digest {
        return Ok(());
    }
    let at = At::Position(output.to.offset(end.offset));
    let what = "the replay gives another record than stands here: this program's rules, its stream key or this log \
                is not the one that wrote it; use that program, key and log";
    Err(Failure::Store(Error::refused(at, what)))
}

/// A fold restored, and how it goes on.
#[derive(Debug)]
pub struct Recovered<F> {
    /// The fold as of the snapshot, or new.
    pub fold: F,
    /// Which outputs are to be sent.
    pub sending: Sending,
    /// Where the streams' last acknowledged records stand.
    pub targets: BTreeMap<TopicPartition, Emitted>,
}

/// Restores the folds of a stage, one after another; the target logs are read at most once.
pub struct Recovery<'a> {
    log: &'a dyn EventLog,
    source: Topic,
    key: StreamKey,
    directory: PathBuf,
    trust_marks: bool,
    ends: Option<StreamEnds>,
}

impl<'a> Recovery<'a> {
    /// A recovery of the stage that reads `source`. After a gap the marks are not trusted.
    pub fn new(
        log: &'a dyn EventLog,
        source: Topic,
        key: StreamKey,
        directory: &Path,
        trust_marks: bool,
    ) -> Recovery<'a> {
        Recovery { log, source, key, directory: directory.to_owned(), trust_marks, ends: None }
    }

    /// Restores the fold of one partition from its newest usable snapshot, or from offset zero.
    pub fn recover<F: StageFold>(
        &mut self,
        partition: u32,
        shared: &F::Shared,
        snapshots: &SnapshotStore,
    ) -> Result<Recovered<F>, Error> {
        let source = self.source.at(partition);
        let mark = snapshots.read_mark();
        if let Some(mark) = &mark {
            self.check_source(source, mark.source_next, mark.source_digest, "mark")?;
        }
        for snapshot in snapshots.load(F::SCHEMA)? {
            let next = snapshot.source_next;
            if next == 0 {
                // It only says that the target logs held nothing of an empty source.
                if self.log.end_offset(source)? == 0 {
                    return Ok(empty::<F>(partition, self.log.partitions(), self.key));
                }
                continue;
            }
            self.check_source(source, next, snapshot.source_digest, "snapshot")?;
            let mut fold = F::new(partition, self.log.partitions(), self.key);
            if !F::supports_resuming(shared, partition, next) {
                tracing::warn!(%source, next, "the index of ids is behind this snapshot: trying an older one");
                continue;
            }
            if !self.targets_stand(&snapshot.targets)? || !self.streams_reach(source, &snapshot.targets)? {
                tracing::warn!(%source, next, "acknowledged records are missing in the target logs: trying an older snapshot");
                continue;
            }
            if let Err(error) = fold.restore(&snapshot.body) {
                // It was read, and says which key is lacking: an older one would only say it later.
                if matches!(error, Error::Refused { .. }) {
                    return Err(error);
                }
                tracing::warn!(%source, next, %error, "this snapshot can't be read: trying an older one");
                continue;
            }
            return self.resume(fold, snapshot, mark);
        }
        self.begin_anew(partition, source, snapshots)
    }

    fn resume<F: StageFold>(
        &self,
        fold: F,
        snapshot: Snapshot,
        mark: Option<orderledger_store::snapshot::Mark>,
    ) -> Result<Recovered<F>, Error> {
        let usable = match mark {
            Some(mark) if self.trust_marks && mark.source_next >= snapshot.source_next => {
                if self.targets_stand(&mark.targets)? { Some(mark) } else { None }
            }
            _ => None,
        };
        let (from, targets) = match usable {
            Some(mark) => (mark.source_next, mark.targets),
            None => (snapshot.source_next, snapshot.targets),
        };
        Ok(Recovered { fold, sending: Sending::FromCause(from), targets: emitted(&targets) })
    }

    fn begin_anew<F: StageFold>(
        &mut self,
        partition: u32,
        source: TopicPartition,
        snapshots: &SnapshotStore,
    ) -> Result<Recovered<F>, Error> {
        let first = self.log.first_offset(source)?;
        if first > 0 {
            let what = format!(
                "the log begins at offset {first}: without a snapshot the stage needs every record from offset 0; \
                 restore the data directory or the log"
            );
            return Err(Error::refused(source, what));
        }
        let all = self.ends()?.iter();
        let own = all.filter(|((stream, _), _)| *stream == StreamId(source));
        let targets: BTreeMap<_, _> = own.map(|((_, target), end)| (*target, *end)).collect();
        let anew = empty::<F>(partition, self.log.partitions(), self.key);
        if targets.is_empty() && self.log.end_offset(source)? == 0 {
            // Kept, so that no later start reads the target logs, which may be long, for a partition that nobody uses.
            let body = anew.fold.image()?;
            let snapshot = Snapshot { source_next: 0, source_digest: 0, targets: Vec::new(), body };
            snapshots.write(&snapshot, F::SCHEMA)?;
        }
        Ok(Recovered { sending: Sending::AboveLog(targets.clone()), targets, ..anew })
    }

    fn check_source(&self, of: TopicPartition, next: u64, digest: u64, what: &str) -> Result<(), Error> {
        let last = next.checked_sub(1).map(|offset| (offset, digest));
        check_standing(self.log, &self.key, of, last, what, &self.directory)
    }

    /// How far every stream stands in the target logs without a gap; they are read once.
    fn ends(&mut self) -> Result<&StreamEnds, Error> {
        if self.ends.is_none() {
            self.ends = Some(verify_streams(self.log, self.source, &self.key)?);
        }
        Ok(self.ends.get_or_insert_default())
    }

    /// After a gap: whether all records up to those stand in the log, not only those.
    fn streams_reach(&mut self, source: TopicPartition, targets: &[TargetMark]) -> Result<bool, Error> {
        if self.trust_marks {
            return Ok(true);
        }
        let ends = self.ends()?;
        let reaches = |target: &TargetMark| {
            ends.get(&(StreamId(source), target.tp)).is_some_and(|end| end.mark.sequence >= target.sequence)
        };
        Ok(targets.iter().all(reaches))
    }

    /// Whether all those records stand in the log with those digests.
    fn targets_stand(&self, targets: &[TargetMark]) -> Result<bool, Error> {
        for target in targets {
            if digest_at(self.log, &self.key, target.tp, target.offset)? != Some(target.digest) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A fold before the first record, whose streams have not begun.
fn empty<F: StageFold>(partition: u32, partitions: u32, key: StreamKey) -> Recovered<F> {
    let fold = F::new(partition, partitions, key);
    Recovered { fold, sending: Sending::AboveLog(BTreeMap::new()), targets: BTreeMap::new() }
}

fn emitted(targets: &[TargetMark]) -> BTreeMap<TopicPartition, Emitted> {
    use orderledger_domain::stream::StreamMark;
    let emitted = |target: &TargetMark| {
        let mark = StreamMark { sequence: target.sequence, digest: target.digest };
        (target.tp, Emitted { offset: target.offset, mark })
    };
    targets.iter().map(emitted).collect()
}
