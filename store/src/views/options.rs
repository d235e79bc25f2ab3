//! What can be set of a view, and how large one is.

use std::time::Duration;

use super::{Guard, View};

/// When commits go to the disk and how much memory they may take until then. A view's memory is at most about
/// twice `cache_bytes` + `pending_bytes_max` + one commit, what is known of its files (some 3 bytes a row in them), and what
/// readers hold.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// sled's page cache, and as much again for blocks of sorted files. sled's accounting is approximate: expect up to twice as much.
    pub cache_bytes: u64,
    /// This many rows waiting start a flush.
    pub flush_rows: usize,
    /// This many bytes waiting start a flush.
    pub flush_bytes: usize,
    /// A commit waits no longer than this for a flush to start, unless flushes are behind. What was not flushed is folded again
    /// after a kill.
    pub flush_interval: Duration,
    /// With this many rows waiting, the next commit blocks until a flush has made room.
    pub pending_rows_max: usize,
    /// With this many bytes waiting, the next commit blocks until a flush has made room.
    pub pending_bytes_max: usize,
    /// Asked before files are merged, and meanwhile: what they take is not worth the last room on the disk.
    pub room: Guard,
    /// Whether nobody waits for its commits, until [`View::lag`] says otherwise. What writes them to files keeps off half of the cores while orders come, and leaves that off where commits of a
    /// view that is waited for would wait for it. Where it may lag it also [goes last](crate::going_last), unless somebody asked for a flush.
    pub may_lag: bool,
}

impl Default for Options {
    fn default() -> Options {
        // Where crashes are tried, views shall be met in every state that they come by.
        let flush_interval = Duration::from_millis(if cfg!(feature = "faults") { 100 } else { 2_000 });
        Options {
            cache_bytes: 64 << 20,
            flush_rows: 50_000,
            flush_bytes: 16 << 20,
            flush_interval,
            pending_rows_max: 200_000,
            pending_bytes_max: 64 << 20,
            room: |_, _| Ok(()),
            may_lag: false,
        }
    }
}

/// Sizes of a view, for status pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewSizes {
    /// Rows on the disk.
    pub rows: u64,
    /// Changes that wait for a flush.
    pub pending_rows: usize,
    /// Bytes that they take.
    pub pending_bytes: usize,
    /// Bytes of the directory's files.
    pub disk_bytes: u64,
    /// Flushes since it was opened.
    pub flushes: u64,
}

impl View {
    /// So many bytes of records a fold takes, at most, before it commits: what it changes twice meanwhile it writes once.
    pub fn commit_bytes(&self) -> usize {
        const IN_MEMORY: usize = 512 << 20;
        match &self.inner.disk {
            Some(_) => self.inner.options.pending_bytes_max / 2,
            None => self.budget().unwrap_or(IN_MEMORY),
        }
    }

    /// Bytes of rows that it may hold in memory, if it is one in bounded memory.
    pub fn budget(&self) -> Option<usize> {
        self.inner.spill.as_ref().map(|spill| spill.budget)
    }
}
