//! The data directory: one process owns it, and its partition count is pinned.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::Error;
use crate::atomic_file;

const FORMAT: u32 = 1;
const LOCK: &str = "LOCK";
const META: &str = "meta";
const META_UNFINISHED: &str = "meta.tmp";
/// What may stand in a directory that isn't one of ours yet.
const STRANGERS_ALLOWED: [&str; 3] = [LOCK, META_UNFINISHED, "lost+found"];

/// A data directory, locked as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    partitions: Option<u32>,
    _lock: File,
}

impl DataDir {
    /// Opens the directory, creating it for its owner alone when it is missing. [`Error::InUse`] when another process has
    /// it, [`Error::Refused`] when it holds something else.
    pub fn open(path: &Path) -> Result<DataDir, Error> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        created.map_err(|error| Error::unavailable(path, "can't create the data directory").with_source(error))?;
        DataDir::lock(path)
    }

    /// Opens a directory that must be there with its partition count pinned.
    pub fn open_existing(path: &Path) -> Result<DataDir, Error> {
        if !path.join(META).is_file() {
            return Err(Error::refused(
                path,
                "there is no data directory of orderledger; name another one with --data",
            ));
        }
        DataDir::lock(path)
    }

    /// Pins the partition count of a new directory for ever, synced; [`Error::Refused`] when it has another one.
    pub fn pin(&mut self, partitions: u32) -> Result<(), Error> {
        match self.partitions {
            Some(pinned) if pinned == partitions => Ok(()),
            Some(pinned) => {
                let what = format!(
                    "it has {pinned} partitions a topic and can't be used with {partitions}; use {pinned}, or name a new \
                     directory with --data"
                );
                Err(Error::refused(&self.path, what))
            }
            None if partitions == 0 => {
                Err(Error::refused(&self.path, "topics need at least one partition; use --partitions 1 or more"))
            }
            None => {
                let written = atomic_file::replace(&self.path.join(META), &[meta_text(partitions).as_bytes()]);
                written
                    .map_err(|error| Error::unavailable(self.path.join(META), "can't write it").with_source(error))?;
                self.partitions = Some(partitions);
                Ok(())
            }
        }
    }

    /// The pinned partition count of every topic; `None` in a new directory.
    pub fn partitions(&self) -> Option<u32> {
        self.partitions
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the embedded event log.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log.redb")
    }

    /// The file of the index of outside ids.
    pub fn ids_path(&self) -> PathBuf {
        self.path.join("ids.redb")
    }

    /// The directory of the projections' views.
    pub fn views_path(&self) -> PathBuf {
        self.path.join("views")
    }

    /// The directory of the stages' snapshots.
    pub fn stages_path(&self) -> PathBuf {
        self.path.join("stages")
    }

    fn lock(path: &Path) -> Result<DataDir, Error> {
        let lock_path = path.join(LOCK);
        if !path.join(META).exists() {
            check_not_foreign(path)?;
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|error| Error::unavailable(&lock_path, "can't open it").with_source(error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::in_use(path)),
            Err(error) => return Err(Error::unavailable(&lock_path, "can't lock it").with_source(error)),
        }
        Ok(DataDir { path: path.to_owned(), partitions: read_meta(&path.join(META))?, _lock: lock })
    }
}

fn meta_text(partitions: u32) -> String {
    format!("orderledger data directory\nformat {FORMAT}\npartitions {partitions}\n")
}

fn read_meta(path: &Path) -> Result<Option<u32>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(unreadable(path)),
        Err(error) => return Err(Error::unavailable(path, "can't read it").with_source(error)),
    };
    let number = |name: &str| -> Option<u32> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    };
    match (number("format"), number("partitions")) {
        (Some(FORMAT), Some(partitions)) if text == meta_text(partitions) => Ok(Some(partitions)),
        (Some(format), _) if format > FORMAT => Err(Error::refused(
            path,
            format!("the directory has format {format}, this binary knows {FORMAT}; use the release that wrote it"),
        )),
        _ => Err(unreadable(path)),
    }
}

fn unreadable(path: &Path) -> Error {
    Error::refused(path, "it can't be understood; restore it from a copy, or name a new directory with --data")
}

/// A directory without our meta file may hold nothing that could be somebody's.
fn check_not_foreign(path: &Path) -> Result<(), Error> {
    let unlisted = |error| Error::unavailable(path, "can't list it").with_source(error);
    for entry in fs::read_dir(path).map_err(unlisted)? {
        let name = entry.map_err(unlisted)?.file_name();
        if !STRANGERS_ALLOWED.iter().any(|allowed| name == *allowed) {
            let what = "it holds files but is no data directory of orderledger; name an empty or a new one with --data";
            return Err(Error::refused(path, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
