//! Blocks of sorted files that were read lately, taken apart. What is asked for only once goes first.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::run::{self, Change};

/// A file's own number here, and which of its blocks.
type Key = (u64, usize);

/// Keeps blocks up to so many bytes.
pub(super) struct BlockCache {
    blocks: Cache<Key, Arc<Vec<Change>>, ByBytes>,
    next: AtomicU64,
}

impl BlockCache {
    pub(super) fn new(bytes_max: u64) -> BlockCache {
        const BLOCK_BYTES: u64 = 16 << 10;
        let blocks = usize::try_from(bytes_max / BLOCK_BYTES).unwrap_or(usize::MAX);
        BlockCache { blocks: Cache::with_weighter(blocks, bytes_max, ByBytes), next: AtomicU64::new(0) }
    }

    /// The cache as one file uses it: numbers of files come again in other directories and after a merge, these don't.
    pub(super) fn of_a_file(self: &Arc<Self>) -> (u64, Arc<BlockCache>) {
        (self.next.fetch_add(1, Ordering::Relaxed), Arc::clone(self))
    }

    pub(super) fn get(&self, of: u64, block: usize) -> Option<Arc<Vec<Change>>> {
        self.blocks.get(&(of, block))
    }

    pub(super) fn keep(&self, of: u64, block: usize, rows: &Arc<Vec<Change>>) {
        self.blocks.insert((of, block), Arc::clone(rows));
    }
}

impl fmt::Debug for BlockCache {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} blocks", self.blocks.len())
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Arc<Vec<Change>>> for ByBytes {
    fn weight(&self, _: &Key, rows: &Arc<Vec<Change>>) -> u64 {
        rows.iter().map(|row| u64::try_from(run::bytes_of(row)).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    }
}
