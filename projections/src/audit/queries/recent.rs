//! Records that were asked for lately. Whoever looks at a history asks for the same page again and again, and each of its
//! records would cost a block that is read and unpacked for it. A record of the log never changes, so nothing kept gets old.

use std::fmt;

use orderledger_domain::position::Position;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::super::block::StoredRecord;

/// What a record takes beside its bytes, about.
const OVERHEAD: usize = 256;

/// Keeps records up to so many bytes; what is asked for only once goes first.
pub struct Recent(Cache<Position, StoredRecord, ByBytes>);

impl Recent {
    /// Keeps up to so many bytes.
    pub fn new(bytes_max: usize) -> Recent {
        let bytes = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        Recent(Cache::with_weighter(bytes_max / (4 * OVERHEAD), bytes, ByBytes))
    }

    /// The record there, if it is kept.
    pub(super) fn get(&self, position: Position) -> Option<StoredRecord> {
        self.0.get(&position)
    }

    /// Keeps a record that has its memory for itself.
    pub(super) fn keep(&self, record: StoredRecord) {
        self.0.insert(record.position, record);
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} records", self.0.len())
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Position, StoredRecord> for ByBytes {
    fn weight(&self, _: &Position, record: &StoredRecord) -> u64 {
        u64::try_from(record.size().saturating_add(OVERHEAD)).unwrap_or(u64::MAX)
    }
}
