//! sled behind a guard: its panics become errors, its errors say what to do. The one place that calls it.
//!
//! - `blocks`: how rows stand in it
//! - `cursor`: reading a range of them

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;

use super::block_cache::BlockCache;
use super::sorted::Reading;
use crate::{Error, keys};

mod blocks;
mod cursor;

use blocks::Blocks;
pub(super) use blocks::Packer;
pub(super) use cursor::Cursor;

/// Below it are the view's own keys.
const FIRST_ROW: [u8; 1] = [keys::META + 1];

/// sled releases its lock a little after the last handle is dropped; so long an opener of the same process waits for it.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// One sled directory, one tree. Its rows are written when it is loaded, and then stay as they are.
pub(super) struct Base {
    /// `None` only while dropping.
    db: Option<sled::Db>,
    dir: PathBuf,
    /// `None`: each row has a key of its own, as earlier releases wrote them.
    blocks: Option<Blocks>,
}

impl Base {
    /// Opens or creates the directory. [`Error::InUse`] if another handle has it.
    pub(super) fn open(dir: &Path, cache_bytes: u64) -> Result<Base, Error> {
        Base::open_with(dir, || sled::Config::new().cache_capacity(cache_bytes))
    }

    /// The same for one that is loaded and synced as a whole: sled doesn't write half-full segments every half second meanwhile,
    /// which costs space.
    pub(super) fn open_to_load(dir: &Path, cache_bytes: u64) -> Result<Base, Error> {
        Base::open_with(dir, || sled::Config::new().cache_capacity(cache_bytes).flush_every_ms(None))
    }

    /// A configuration that was cloned can't be changed any more: sled panics. So each attempt has one of its own.
    fn open_with(dir: &Path, config: impl Fn() -> sled::Config) -> Result<Base, Error> {
        const PAUSE: Duration = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        loop {
            let config = config().path(dir).mode(sled::Mode::HighThroughput);
            match guarded(dir, || config.open()) {
                Err(Error::InUse { .. }) if waited < LOCK_PATIENCE => thread::sleep(PAUSE),
                opened => return opened.map(|db| Base { db: Some(db), dir: dir.to_owned(), blocks: None }),
            }
            waited = waited.saturating_add(PAUSE);
        }
    }

    /// From here on it is read as one whose rows stand in blocks.
    pub(super) fn of_blocks(mut self, cache: &Arc<BlockCache>) -> Result<Base, Error> {
        self.blocks = Some(Blocks::open(&self, cache)?);
        Ok(self)
    }

    /// A row's value.
    pub(super) fn get(&self, key: &[u8], reading: Reading) -> Result<Option<Bytes>, Error> {
        match &self.blocks {
            Some(blocks) => blocks.get(self, key, reading),
            None => self.value(key),
        }
    }

    /// What stands under a key of sled.
    pub(super) fn value(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.call(|db| db.get(key)).map(|value| value.map(Bytes::from_owner))
    }

    /// How many keys of sled a scan finds, of two at most.
    pub(super) fn keys_up_to_two(&self) -> Result<usize, Error> {
        self.call(|db| db.iter().take(2).collect::<Result<Vec<_>, _>>()).map(|rows| rows.len())
    }

    fn range(&self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<sled::Iter, Error> {
        self.call(|db| Ok(db.range::<&[u8], _>((low, high))))
    }

    /// The last key and its value at or below this key, of those that are not the view's own.
    fn at_or_below(&self, key: &[u8]) -> Result<Option<(Bytes, Bytes)>, Error> {
        let low = Bound::Included(FIRST_ROW.as_slice());
        if key < FIRST_ROW.as_slice() {
            return Ok(None);
        }
        let last = self.call(|db| db.range::<&[u8], _>((low, Bound::Included(key))).next_back().transpose());
        last.map(|row| row.map(|(key, value)| (Bytes::from_owner(key), Bytes::from_owner(value))))
    }

    /// Puts a value under a key of sled.
    pub(super) fn insert(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.call(|db| db.insert(key, value)).map(drop)
    }

    /// Everything applied so far survives a power loss. sled's own flush is no fsync.
    pub(super) fn sync(&self) -> Result<(), Error> {
        self.call(|db| db.flush())?;
        let failed = |cause| Error::unavailable(&self.dir, "the view could not be synced").with_source(cause);
        File::open(self.dir.join("db")).and_then(|file| file.sync_all()).map_err(failed)?;
        // Large pages lie in files of their own (sled 0.34's `blobs`).
        let blobs = self.dir.join("blobs");
        let synced = blobs.is_dir().then(|| {
            for blob in fs::read_dir(&blobs)? {
                match File::open(blob?.path()) {
                    Ok(blob) => blob.sync_all()?,
                    // sled removes, in its own time, those that a newer one has replaced.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            File::open(&blobs)?.sync_all()
        });
        synced.unwrap_or(Ok(())).map_err(failed)
    }

    /// What has been written goes to the disk: all of it at once, at the end, would make the log's commits wait.
    pub(super) fn sync_written(&self) -> Result<(), Error> {
        let failed = |cause| Error::unavailable(&self.dir, "the view could not be synced").with_source(cause);
        File::open(self.dir.join("db")).and_then(|file| file.sync_data()).map_err(failed)
    }

    /// Bytes on disk.
    pub(super) fn disk_bytes(&self) -> Result<u64, Error> {
        self.call(|db| db.size_on_disk())
    }

    fn call<T>(&self, act: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Error> {
        let db = self.db.as_ref().ok_or_else(|| Error::closed(&self.dir, "the view is closed"))?;
        guarded(&self.dir, || act(db))
    }
}

impl Drop for Base {
    /// sled may panic while it closes; everything that matters was synced before.
    fn drop(&mut self) {
        let db = self.db.take();
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!(view = %self.dir.display(), "sled panicked while closing");
        }
    }
}

/// A kill during open leaves a partial `snap.*.generating`, which sled 0.34.7 takes for its newest snapshot ever after.
pub(super) fn remove_unfinished_snapshots(dir: &Path) -> Result<(), Error> {
    let failed = |cause| Error::unavailable(dir, "its files could not be listed or removed").with_source(cause);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %entry.path().display(), "removing a snapshot that sled did not finish");
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

fn guarded<T>(dir: &Path, act: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|cause| of_sled(dir, cause)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
            Err(Error::corrupt(dir, format!("sled panicked: {text}")))
        }
    }
}

fn of_sled(dir: &Path, cause: sled::Error) -> Error {
    match cause {
        sled::Error::Io(cause) if cause.to_string().starts_with("could not acquire lock") => Error::in_use(dir),
        sled::Error::Io(cause) if is_damage(&cause) => Error::corrupt(dir, "unreadable").with_source(cause),
        sled::Error::Io(cause) => Error::unavailable(dir, "sled could not read or write").with_source(cause),
        cause => Error::corrupt(dir, "unreadable").with_source(cause),
    }
}

/// Reading past the end or nonsense is damage; a full disk or a refused access is not.
fn is_damage(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    matches!(cause.kind(), InvalidData | UnexpectedEof)
}
