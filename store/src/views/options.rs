//! What can be set of a view, and how large one is.

use std::time::Duration;

use super::View;

/// When commits go to sled and how much memory they may take until then. A view's memory is at most about
/// `cache_bytes` + `pending_bytes_max` + one commit + one batch, and what readers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// sled's page cache. Its accounting is approximate: expect up to twice as much.
    pub cache_bytes: u64,
    /// This many rows waiting start a flush.
    pub flush_rows: usize,
    /// A commit waits no longer than this for a flush to start, unless flushes are behind.
    pub flush_interval: Duration,
    /// Rows of one sled batch, as far as commits are no larger: nobody reads or writes any sled while one is applied.
    pub batch_rows_max: usize,
    /// With this many rows waiting, the next commit blocks until a flush has made room.
    pub pending_rows_max: usize,
    /// With this many bytes waiting, the next commit blocks until a flush has made room.
    pub pending_bytes_max: usize,
    /// How often what was flushed is synced to disk. After a power loss the fold goes on from there.
    pub sync_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 64 << 20,
            flush_rows: 1_000,
            flush_interval: Duration::from_millis(150),
            batch_rows_max: 500,
            pending_rows_max: 16_000,
            pending_bytes_max: 64 << 20,
            sync_interval: Duration::from_secs(3),
        }
    }
}

/// Sizes of a view, for status pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewSizes {
    /// Rows in sled.
    pub rows: u64,
    /// Changes that wait for a flush.
    pub pending_rows: usize,
    /// Bytes that they take.
    pub pending_bytes: usize,
    /// Bytes of the directory's files.
    pub disk_bytes: u64,
    /// Batches flushed since it was opened.
    pub flushes: u64,
}

impl View {
    /// So many bytes of records a fold takes, at most, before it commits: what it changes twice meanwhile it writes once.
    pub fn commit_bytes(&self) -> usize {
        const IN_MEMORY: usize = 512 << 20;
        match &self.inner.base {
            Some(_) => self.inner.options.pending_bytes_max / 2,
            None => self.budget().unwrap_or(IN_MEMORY),
        }
    }

    /// Bytes of rows that it may hold in memory, if it is one in bounded memory.
    pub fn budget(&self) -> Option<usize> {
        self.inner.spill.as_ref().map(|spill| spill.budget)
    }
}
