//! Where one batch ends and the next begins.

use orderledger_domain::position::TopicPartition;

use super::batches::Encoded;
use super::frame;
use crate::event_log::Record;

pub(super) const MAX_BATCH_RECORDS: usize = 1024;
/// Before compression; with its head a full batch still fits in a page of 256 KiB.
pub(super) const MAX_BATCH_BYTES: usize = 255 * 1024;

/// Consecutive records of one partition that are to be one batch.
pub(super) struct Batch {
    pub(super) of: TopicPartition,
    pub(super) records: Vec<Record>,
    bytes: usize,
}

impl Batch {
    /// A batch that begins with this record.
    pub(super) fn new(of: TopicPartition, first: Record) -> Batch {
        Batch { of, bytes: first.bytes(), records: vec![first] }
    }

    /// Takes the record, or gives it back where it must begin another batch: one has no holes, its append times don't decrease and lie
    /// within what its head can say, and it has a size.
    pub(super) fn push(&mut self, of: TopicPartition, next: Record) -> Result<(), Record> {
        let (Some(first), Some(last)) = (self.records.first(), self.records.last()) else { return Err(next) };
        let since_first = next.recorded_at_ms.saturating_sub(first.recorded_at_ms);
        let follows = self.of == of
            && self.records.len() < MAX_BATCH_RECORDS
            && self.bytes.saturating_add(next.bytes()) <= MAX_BATCH_BYTES
            && last.offset.checked_add(1) == Some(next.offset)
            && last.recorded_at_ms <= next.recorded_at_ms
            && u32::try_from(since_first).is_ok();
        if !follows {
            return Err(next);
        }
        self.bytes = self.bytes.saturating_add(next.bytes());
        self.records.push(next);
        Ok(())
    }

    /// Its bytes in a file of the log.
    pub(super) fn encoded(&self) -> Option<Encoded> {
        encoded(self.of, &self.records)
    }
}

/// Cuts records into batches, in the order in which they come.
pub(super) fn cut(records: impl IntoIterator<Item = (TopicPartition, Record)>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for (of, record) in records {
        let taken = match batches.last_mut() {
            Some(open) => open.push(of, record),
            None => Err(record),
        };
        if let Err(first) = taken {
            batches.push(Batch::new(of, first));
        }
    }
    batches
}

/// The bytes of one batch; `None` if there is no record.
pub(super) fn encoded(of: TopicPartition, records: &[Record]) -> Option<Encoded> {
    Some(Encoded { of, base: records.first()?.offset, frame: frame::encode(records) })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use orderledger_domain::position::Topic;

    use super::*;

    fn record(offset: u64, recorded_at_ms: i64, bytes: usize) -> Record {
        let value = Some(Bytes::from(vec![b'x'; bytes]));
        Record { offset, recorded_at_ms, key: None, value, headers: Vec::new() }
    }

    /// The offsets of each batch.
    fn offsets(records: Vec<(TopicPartition, Record)>) -> Vec<Vec<u64>> {
        let offsets = |batch: Batch| batch.records.iter().map(|record| record.offset).collect();
        cut(records).into_iter().map(offsets).collect()
    }

    #[test]
    fn a_batch_is_of_one_partition_without_holes_in_the_order_of_time_and_has_a_size() {
        let (one, other) = (Topic::Orders.at(0), Topic::Orders.at(1));
        let days_50 = 50 * 24 * 60 * 60 * 1000;
        for (first, next, together) in [
            ((one, record(4, 10, 1)), (one, record(5, 10, 1)), true),
            ((one, record(4, 10, 1)), (other, record(5, 10, 1)), false),
            ((one, record(4, 10, 1)), (one, record(6, 10, 1)), false),
            ((one, record(4, 10, 1)), (one, record(5, 9, 1)), false),
            ((one, record(4, 10, 1)), (one, record(5, 10 + days_50, 1)), false),
            ((one, record(4, 10, MAX_BATCH_BYTES)), (one, record(5, 10, 1)), false),
        ] {
            let expected = if together { vec![vec![4, next.1.offset]] } else { vec![vec![4], vec![next.1.offset]] };
            assert_eq!(offsets(vec![first, next]), expected);
        }
        let many = offsets((0..2_000).map(|offset| (one, record(offset, 0, 1))).collect());
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_BATCH_RECORDS, 2_000 - MAX_BATCH_RECORDS]);
    }
}
