//! What acknowledgements allow to keep: snapshots as they become valid, and marks now and then.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use orderledger_domain::position::TopicPartition;
use orderledger_store::Error;
use orderledger_store::snapshot::{Mark, Snapshot, SnapshotStore, TargetMark};

use super::emitter::Emitted;
use super::outbox::{Acknowledged, Image};
use crate::worker::clock::Clock;

/// How often the mark of what is acknowledged is written.
const MARK_EVERY: Duration = Duration::from_millis(500);

/// Keeps snapshots and marks of one stage.
pub(super) struct Keeping {
    stores: Vec<SnapshotStore>,
    schema: u16,
    clock: Clock,
    /// The newest marks that are not written yet, by partition.
    marks: BTreeMap<u32, Mark>,
    marked: Duration,
}

impl Keeping {
    /// Keeps them in these stores, one a partition.
    pub(super) fn new(stores: Vec<SnapshotStore>, schema: u16, clock: &Clock) -> Keeping {
        Keeping { stores, schema, clock: clock.clone(), marks: BTreeMap::new(), marked: clock.now() }
    }

    /// Keeps what comes until nothing comes any more.
    pub(super) fn run(&mut self, kept: &Receiver<Acknowledged>) {
        loop {
            match kept.recv_timeout(MARK_EVERY) {
                Ok(done) => self.keep(done),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.write_marks(),
            }
            self.write_due_marks();
        }
    }

    /// Keeps the snapshot in an acknowledged batch, and remembers how far it is acknowledged.
    pub(super) fn keep(&mut self, done: Acknowledged) {
        let Acknowledged { batch, targets, .. } = done;
        let (source_next, source_digest) = (batch.next_offset, batch.last_digest);
        let mark = Mark { source_next, source_digest, targets: target_marks(&targets) };
        if let Some(Image { body, rests_on }) = batch.image {
            let targets = mark.targets.clone();
            let snapshot = Snapshot { source_next, source_digest, targets, body };
            self.with_store(batch.partition, |store| {
                rests_on.wait()?;
                store.write(&snapshot, self.schema)
            });
        }
        self.marks.insert(batch.partition, mark);
    }

    /// Writes the marks if it is time.
    pub(super) fn write_due_marks(&mut self) {
        if self.clock.now().saturating_sub(self.marked) >= MARK_EVERY {
            self.write_marks();
        }
    }

    /// Writes the marks.
    pub(super) fn write_marks(&mut self) {
        for (partition, mark) in std::mem::take(&mut self.marks) {
            self.with_store(partition, |store| store.write_mark(&mark));
        }
        self.marked = self.clock.now();
    }

    fn with_store(&self, partition: u32, write: impl FnOnce(&SnapshotStore) -> Result<(), Error>) {
        let store = usize::try_from(partition).ok().and_then(|place| self.stores.get(place));
        if let Some(Err(error)) = store.map(write) {
            tracing::warn!(partition, %error, "no snapshot or mark kept: a restart folds a little more");
        }
    }
}

fn target_marks(targets: &BTreeMap<TopicPartition, Emitted>) -> Vec<TargetMark> {
    let mark = |(target, emitted): (&TopicPartition, &Emitted)| TargetMark {
        tp: *target,
        offset: emitted.offset,
        sequence: emitted.mark.sequence,
        digest: emitted.mark.digest,
    };
    targets.iter().map(mark).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use orderledger_domain::timestamp::Timestamp;
    use orderledger_store::IdIndex;
    use orderledger_store::id_index::{Claim, IdKind, IndexPosition};

    use super::*;
    use crate::stage::outbox::Batch;
    use crate::worker::partition::Accounting;

    #[test]
    fn a_snapshot_is_kept_once_the_ids_that_it_rests_on_are() {
        let directory = tempfile::tempdir().unwrap();
        let mut ids = IdIndex::open(&directory.path().join("ids.redb")).unwrap();
        for number in 0_u64..50_000 {
            let claim = Claim { offset: number, digest: 7 };
            ids.claim(0, IdKind::Event, "u", &number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes(), claim);
        }
        let position = IndexPosition { next_offset: 50_000, digest_of_last_record: 7 };
        let rests_on = ids.commit(&[(0, position)], true).unwrap();
        let store = || SnapshotStore::new(directory.path().join("0"));
        let mut keeping = Keeping::new(vec![store()], 1, &Clock::default());
        let image = Image { body: vec![1, 2, 3], rests_on: rests_on.clone() };
        let batch = Batch {
            partition: 0,
            next_offset: 50_000,
            passed: 50_000,
            last_digest: 7,
            recorded_at: Timestamp::default(),
            accounting: Accounting::default(),
            outputs: Vec::new(),
            image: Some(image),
        };
        keeping.keep(Acknowledged { batch, answers: Vec::new(), targets: BTreeMap::new() });
        assert!(rests_on.has_ended());
        assert_eq!(store().load(1).unwrap().len(), 1);
    }
}
