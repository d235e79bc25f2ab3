//! What a view, its readers and its threads share.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use super::base::Base;
use super::block_cache::BlockCache;
use super::catalog::Catalog;
use super::head::DigestAt;
use super::layers::{Layers, merge_newest};
use super::run::Run;
use super::sorted::Sorted;
use super::spill::Spill;
use super::{Options, Schema, open};
use crate::Error;
use crate::error::At;

/// What of a view is on the disk.
pub(super) struct Disk {
    pub(super) base: Base,
    /// It has no row of a fold.
    pub(super) base_is_empty: bool,
    /// Held while it is changed which files count.
    pub(super) catalog: Mutex<Catalog>,
    pub(super) blocks: Arc<BlockCache>,
}

/// What the view, its readers and its threads share.
pub(super) struct Inner {
    /// `None`: in memory only.
    pub(super) disk: Option<Disk>,
    /// Of a view in memory: where rows go that no longer fit.
    pub(super) spill: Option<Spill>,
    pub(super) schema: Schema,
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) at: At,
    pub(super) layers: ArcSwap<Layers>,
    pub(super) pending: Mutex<Pending>,
    /// Something changed in `pending`.
    pub(super) changed: Condvar,
    /// Something changed in the files.
    pub(super) filed: Condvar,
    /// Whether nobody waits for its commits at present.
    pub(super) lags: AtomicBool,
    /// How many wait for a flush.
    pub(super) awaited: AtomicUsize,
    pub(super) failed: AtomicBool,
    pub(super) failure: OnceLock<Error>,
}

/// The writers' side of the layers.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// So many of the oldest runs are being flushed: they stay as they are.
    pub(super) frozen: usize,
    /// The newest commit's number.
    pub(super) committed: u64,
    /// The newest commit on the disk.
    pub(super) flushed: u64,
    /// Flush up to this commit without waiting for rows or time.
    pub(super) wanted: u64,
    pub(super) flushes: u64,
    pub(super) closing: bool,
    /// What stands on the disk.
    pub(super) durable: DigestAt,
}

impl Disk {
    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn new(
        dir: &Path,
        disk: Option<Disk>,
        schema: Schema,
        options: Options,
        (durable, files): (DigestAt, Vec<Arc<Sorted>>),
    ) -> Inner {
        let layers = Layers { runs: Vec::new(), files, head: durable.head.clone() };
        let pending = Pending {
            rows: 0,
            bytes: 0,
            frozen: 0,
            committed: 0,
            flushed: 0,
            wanted: 0,
            flushes: 0,
            closing: false,
            durable,
        };
        Inner {
            disk,
            spill: None,
            schema,
            options,
            dir: dir.to_owned(),
            at: At::from(dir),
            layers: ArcSwap::from_pointee(layers),
            pending: Mutex::new(pending),
            changed: Condvar::new(),
            filed: Condvar::new(),
            lags: AtomicBool::new(options.may_lag),
            awaited: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    pub(super) fn lags(&self) -> bool {
        self.lags.load(Ordering::Relaxed)
    }

    pub(super) fn commit(&self, mut run: Run) -> Result<(), Error> {
        let mut pending = self.lock();
        loop {
            self.check()?;
            if pending.closing {
                return Err(Error::closed(self.at.clone(), "the view is closed"));
            }
            if self.disk.is_none() || !self.is_full(&pending) {
                break;
            }
            pending = self.wait_for_flush(pending);
        }
        pending.committed = pending.committed.saturating_add(1);
        run.last_commit = pending.committed;
        let now = self.layers.load();
        let head = run.head.clone();
        let mut runs = now.runs.clone();
        runs.push(Arc::new(run));
        let something_below = self.disk.is_some() || self.spill.is_some();
        merge_newest(&mut runs, pending.frozen, something_below);
        pending.rows = runs.iter().map(|run| run.len()).sum();
        pending.bytes = runs.iter().map(|run| run.bytes()).sum();
        let mut files = now.files.clone();
        if let Some(spill) = self.spill.as_ref().filter(|spill| pending.bytes > spill.budget) {
            files = match spill.take(&files, &runs) {
                Ok(files) => files,
                Err(error) => {
                    drop(pending);
                    return Err(self.fail(error));
                }
            };
            runs.clear();
            (pending.rows, pending.bytes) = (0, 0);
        }
        self.layers.store(Arc::new(Layers { runs, files, head }));
        drop(pending);
        self.changed.notify_all();
        Ok(())
    }

    /// Whether the next commit has to wait for a flush.
    pub(super) const fn is_full(&self, pending: &Pending) -> bool {
        pending.rows >= self.options.pending_rows_max || pending.bytes >= self.options.pending_bytes_max
    }

    /// The failure, once there was one.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(self.failure.get().cloned().unwrap_or_else(|| Error::closed(self.at.clone(), "the view has failed")))
    }

    /// From here on everything fails with the first failure. A damaged directory is put aside at the next open. It locks what
    /// [`Inner::lock`] gives.
    pub(super) fn fail(&self, error: Error) -> Error {
        let first = self.failure.get_or_init(|| {
            tracing::error!(view = %self.dir.display(), %error, "the view has failed");
            if matches!(error, Error::Corrupt { .. })
                && self.disk.is_some()
                && let Err(error) = open::condemn(&self.dir)
            {
                tracing::error!(view = %self.dir.display(), %error, "it will be opened again as it is");
            }
            error
        });
        self.failed.store(true, Ordering::Release);
        // Whoever waits has either not looked yet or is woken.
        drop(self.lock());
        self.changed.notify_all();
        self.filed.notify_all();
        first.clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what the flusher does next; it makes haste meanwhile.
    pub(super) fn wait_for_flush<'a>(&self, pending: MutexGuard<'a, Pending>) -> MutexGuard<'a, Pending> {
        self.awaited.fetch_add(1, Ordering::Relaxed);
        let pending = self.wait(pending);
        self.awaited.fetch_sub(1, Ordering::Relaxed);
        pending
    }

    pub(super) fn wait<'a>(&self, pending: MutexGuard<'a, Pending>) -> MutexGuard<'a, Pending> {
        self.changed.wait(pending).unwrap_or_else(PoisonError::into_inner)
    }
}
