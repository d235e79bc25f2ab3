//! Views: rows that a fold keeps and readers query. Never the only copy of anything; deleted and rebuilt at will.
//!
//! A [`View`] is one sled directory with one tree, whose rows a rebuild has written, above it sorted files of the commits since,
//! and above these the commits in memory. [`View::commit`] takes the fold's changed rows with its head (its positions, marks and
//! counters, opaque here) and shows both to readers at once, as one step. A flusher thread moves the commits in memory to a file,
//! which counts from the moment when a catalog names it together with the head. So a crash loses the newest commits as a whole, the
//! head found at the next open says where the fold goes on, and a position never stands beside rows of another moment. Nothing that
//! was written is ever changed: a start reads what is known of the files and sled's own snapshot, however much there is.
//!
//! - `run`, `layers`: the commits in memory, as sorted immutable runs
//! - `sorted`, `block_cache`: files of rows
//! - `flusher`: from memory to a file, and when
//! - `merge`, `merger`: one file of several
//! - `catalog`, `head`, `digest`: which files count, and where the fold stands
//! - `open`, `base`: sled, guarded, and rows in blocks in it
//! - `reader`, `scan`: one moment of the view, whatever is flushed and merged meanwhile
//! - `spill`: files for what a view in memory no longer holds
//! - `bulk`: a fresh directory from sorted rows

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::{Error, faults};

mod base;
mod block_cache;
mod bulk;
mod catalog;
mod changes;
mod digest;
mod flusher;
mod head;
mod inner;
mod layers;
mod merge;
mod merger;
mod open;
mod options;
mod reader;
mod run;
mod scan;
mod sorted;
mod spill;
#[cfg(test)]
mod tests;

pub use bulk::bulk_load;
pub use changes::Changes;
pub use digest::RowsDigest;
pub use head::DigestAt;
pub(crate) use open::{fits, is_newer, is_whole};
pub use options::{Options, ViewSizes};
pub use reader::{Direction, RowScan, ViewReader};
pub use scan::Scan;
pub use spill::Guard;

use inner::{Disk, Inner, Pending};
use run::Run;
use spill::Spill;

/// What an [`Error::Unavailable`] says of a view that has no rows yet to answer from.
pub const REBUILDING: &str = "the view is being rebuilt from the log; try again soon";

/// What the rows of a view are: another name or version found on opening means quarantine and rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The projection's name.
    pub name: &'static str,
    /// Raised with every change of a row's shape or key.
    pub version: u8,
}

/// Rows and a fold's head; one fold writes, anyone reads.
pub struct View {
    inner: Arc<Inner>,
    /// The flusher and the merger.
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_older: bool,
    quarantined: Option<PathBuf>,
    is_incomplete: AtomicBool,
}

impl View {
    /// Opens or creates the view in `dir`. Whatever prevents opening it (damage, a panic of sled, another schema) puts
    /// the directory aside as `DIR.quarantine-N` with a warning (the newest two are kept) and gives a fresh view with
    /// an empty head: the fold then begins at offset zero. [`Error::InUse`] if another process has it.
    pub fn open(dir: &Path, schema: Schema, options: Options) -> Result<View, Error> {
        View::open_or_older(dir, schema, &[], options)
    }

    /// As [`View::open`], but rows of one of these earlier versions of the schema are not put aside: they are opened as they are, to
    /// be read alone ([`View::is_older`]), if they are those of a fold that came to some position.
    pub fn open_or_older(dir: &Path, schema: Schema, older: &[u8], options: Options) -> Result<View, Error> {
        let opened = open::open(dir, schema, older, options.cache_bytes)?;
        let is_older = opened.schema != schema;
        let inner = Inner::new(dir, Some(opened.disk), opened.schema, options, (opened.at, opened.files));
        let inner = Arc::new(inner);
        let threads = if is_older {
            Vec::new()
        } else {
            vec![flusher::start(Arc::clone(&inner))?, merger::start(Arc::clone(&inner))?]
        };
        Ok(View {
            inner,
            threads: Mutex::new(threads),
            is_older,
            quarantined: opened.quarantined,
            is_incomplete: AtomicBool::new(opened.is_incomplete),
        })
    }

    /// Why it has failed for good, if so: only opening it again may help, or making it anew where its rows are damaged.
    pub fn failure(&self) -> Option<Error> {
        self.inner.check().err()
    }

    /// What its owner read from it makes no sense: it fails, and is put aside at the next open.
    pub fn condemn(&self, error: Error) -> Error {
        self.inner.fail(error)
    }

    /// A view that is never on disk: to fold a rebuild in memory, and for tests.
    pub fn in_memory(schema: Schema) -> View {
        let at = DigestAt { digest: RowsDigest::default(), head: Bytes::new() };
        let inner = Inner::new(Path::new("memory"), None, schema, Options::default(), (at, Vec::new()));
        View {
            inner: Arc::new(inner),
            threads: Mutex::default(),
            is_older: false,
            quarantined: None,
            is_incomplete: AtomicBool::new(false),
        }
    }

    /// A view of which at most about so many bytes are in memory (twice as much while they are moved): the rest lies in nameless
    /// files in that directory, as long as the guard lets them be written. To fold a rebuild whose rows don't fit.
    pub fn in_bounded_memory(schema: Schema, dir: &Path, budget: usize, guard: Guard) -> View {
        let at = DigestAt { digest: RowsDigest::default(), head: Bytes::new() };
        let spill = Some(Spill { dir: dir.to_owned(), budget, guard });
        let inner = Inner { spill, ..Inner::new(dir, None, schema, Options::default(), (at, Vec::new())) };
        View {
            inner: Arc::new(inner),
            threads: Mutex::default(),
            is_older: false,
            quarantined: None,
            is_incomplete: AtomicBool::new(false),
        }
    }

    /// A view in memory that begins with the rows and the head of that moment: what a crash leaves of a flushed view.
    #[cfg(feature = "faults")]
    pub fn in_memory_at(moment: &ViewReader) -> View {
        let view = View::in_memory(moment.inner.schema);
        view.inner.layers.store(Arc::clone(&moment.layers));
        view
    }

    /// Whether nobody waits for its commits from now on: at first as [`Options::may_lag`] says.
    pub fn lag(&self, lags: bool) {
        self.inner.lags.store(lags, Ordering::Relaxed);
    }

    /// What its rows are.
    pub fn schema(&self) -> Schema {
        self.inner.schema
    }

    /// Whether its rows are those of an earlier version of the schema that was asked for: no commit changes them.
    pub const fn is_older(&self) -> bool {
        self.is_older
    }

    /// Its rows are fewer than a reader may have seen: it is incomplete from now on, after a crash too.
    pub fn begin_incomplete(&self) -> Result<(), Error> {
        open::begin_incomplete(&self.inner.dir)?;
        self.is_incomplete.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether it was made in the place of one that was put aside or lost, perhaps by an earlier process, and nobody has said since
    /// that its rows are complete: a reader may have seen it further on.
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete.load(Ordering::Acquire)
    }

    /// Its rows are complete: it is flushed, and from now on a view like any other.
    pub fn complete(&self) -> Result<(), Error> {
        if self.is_incomplete() {
            self.flush_and_sync()?;
            open::complete(&self.inner.dir)?;
            self.is_incomplete.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Where the directory went that could not be opened, if so.
    pub fn quarantined(&self) -> Option<&Path> {
        self.quarantined.as_deref()
    }

    /// An empty set of changes whose rows are encoded under the view's schema version.
    pub fn changes(&self) -> Changes {
        Changes::new(self.inner.schema.version)
    }

    /// Changes rows and replaces the head, in one step. Blocks while too much waits for the flusher. After a failure
    /// of the store every commit and read fails with that error; a commit that fails shows nothing.
    pub fn commit(&self, changes: Changes, head: impl Into<Bytes>) -> Result<(), Error> {
        let run = Run::of_commit(changes.into_rows(), head.into());
        if run.rows().first().is_some_and(|row| row.0.first().is_none_or(|&prefix| prefix == crate::keys::META)) {
            return Err(Error::refused(self.inner.at.clone(), "a fold may not write the view's own rows"));
        }
        if self.is_older {
            return Err(Error::refused(self.inner.at.clone(), "rows of an earlier schema version are only read"));
        }
        faults::point("view.before-commit");
        self.inner.commit(run)?;
        faults::point("view.after-commit");
        Ok(())
    }

    /// The view as it is now. Where only writing failed, it is as it was then.
    pub fn reader(&self) -> Result<ViewReader, Error> {
        self.inner.check_read()?;
        Ok(ViewReader { inner: Arc::clone(&self.inner), layers: self.inner.layers.load_full() })
    }

    /// Everything committed so far survives a power loss when this returns.
    pub fn flush_and_sync(&self) -> Result<(), Error> {
        if self.inner.disk.is_none() {
            return self.inner.check();
        }
        let mut pending = self.inner.lock();
        let target = pending.committed;
        pending.wanted = pending.wanted.max(target);
        self.inner.changed.notify_all();
        while pending.flushed < target {
            self.inner.check()?;
            pending = self.inner.wait_for_flush(pending);
        }
        drop(pending);
        self.inner.check()
    }

    /// The digest kept beside the rows on the disk and the head that it belongs to (in memory: of now, by a full scan).
    pub fn digest(&self) -> Result<DigestAt, Error> {
        if self.inner.disk.is_none() {
            return self.compute_digest();
        }
        self.inner.check_read()?;
        Ok(self.inner.lock().durable.clone())
    }

    /// The digest of now, by a full scan, and its head.
    pub fn compute_digest(&self) -> Result<DigestAt, Error> {
        let reader = self.reader()?;
        let mut digest = RowsDigest::default();
        for row in reader.scan::<&[u8]>(.., Direction::Ascending) {
            let (key, value) = row?;
            digest.add(&key, &value);
        }
        Ok(DigestAt { digest, head: reader.head().clone() })
    }

    /// How large the view is.
    pub fn sizes(&self) -> Result<ViewSizes, Error> {
        self.inner.check_read()?;
        let of_sled = self.inner.disk.as_ref().map_or(Ok(0), |disk| disk.base.disk_bytes())?;
        let files = &self.inner.layers.load().files;
        let disk_bytes = files.iter().fold(of_sled, |sum, file| sum.saturating_add(file.bytes));
        let pending = self.inner.lock();
        Ok(ViewSizes {
            rows: pending.durable.digest.rows,
            pending_rows: pending.rows,
            pending_bytes: pending.bytes,
            disk_bytes,
            flushes: pending.flushes,
        })
    }

    /// Flushes and ends the threads; later commits fail with [`Error::Closed`]. Readers may go on.
    pub fn close(&self) -> Result<(), Error> {
        let flushed = self.flush_and_sync();
        self.inner.lock().closing = true;
        self.inner.changed.notify_all();
        self.inner.filed.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                return Err(self.inner.fail(Error::corrupt(self.inner.at.clone(), "a thread of the view panicked")));
            }
        }
        flushed
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if !self.inner.lock().closing
            && let Err(error) = self.close()
        {
            tracing::warn!(view = %self.inner.dir.display(), %error, "a view could not be flushed on closing");
        }
    }
}
