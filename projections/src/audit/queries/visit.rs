//! How much of an answer was given already, and where the next one goes on.

use orderledger_domain::position::Position;

use super::super::block::StoredRecord;

/// So many records are looked up at once at most.
const AHEAD_MAX: usize = 128;
/// How large a record is, as long as none was seen.
const FIRST_BYTES: usize = 2 << 10;

/// Gives records one by one until there are enough.
pub(super) struct Visit<F> {
    take: F,
    limit: usize,
    bytes_max: usize,
    records: usize,
    bytes: usize,
    /// The last one given.
    last: Option<Position>,
    /// Where the next answer goes on; none: there is nothing more.
    pub(super) next: Option<Position>,
}

impl<F: FnMut(&StoredRecord)> Visit<F> {
    pub(super) const fn new(limit: usize, bytes_max: usize, take: F) -> Visit<F> {
        Visit { take, limit, bytes_max, records: 0, bytes: 0, last: None, next: None }
    }

    /// Whether no other record may be given: then there are more, behind the last.
    pub(super) fn is_full(&mut self) -> bool {
        let full = self.records >= self.limit || self.bytes >= self.bytes_max;
        if full {
            self.next = self.last;
        }
        full
    }

    /// So many more may be looked up at once, about: those that fit, if they are as large as those before.
    pub(super) fn room(&self) -> usize {
        let size = self.bytes.checked_div(self.records).unwrap_or(FIRST_BYTES).max(1);
        let fitting = (self.bytes_max.saturating_sub(self.bytes) / size).saturating_add(1);
        fitting.min(self.limit.saturating_sub(self.records)).clamp(1, AHEAD_MAX)
    }

    /// Gives a record.
    pub(super) fn give(&mut self, record: &StoredRecord) {
        self.records = self.records.saturating_add(1);
        self.bytes = self.bytes.saturating_add(record.size());
        self.last = Some(record.position);
        (self.take)(record);
    }
}
