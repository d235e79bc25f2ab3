//! Snapshots of a stage's state at a position of its source, and the mark of how far its outputs are acknowledged since.
//!
//! `DIR/00000000000000001842.snapshot` holds the state before offset 1842 of the source; the newest two are kept. One
//! that can't be read is passed over with a warning: the stage replays from the one before, or from offset zero.
//! `DIR/mark` is small and replaced often. Neither is the only copy of anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use orderledger_domain::position::TopicPartition;

use crate::{Error, atomic_file};

mod file;
#[cfg(test)]
mod tests;

/// Where a stage stands in one of its target partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetMark {
    /// The target partition.
    pub tp: TopicPartition,
    /// The offset of the stage's last acknowledged record there.
    pub offset: u64,
    /// That record's sequence in its stream.
    pub sequence: u64,
    /// That record's digest.
    pub digest: u64,
}

/// A stage's state at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state is the fold of all source records below this offset.
    pub source_next: u64,
    /// The digest of the last source record folded; 0 at the beginning.
    pub source_digest: u64,
    /// Where the stage's outputs stand.
    pub targets: Vec<TargetMark>,
    /// The state itself, opaque here.
    pub body: Vec<u8>,
}

/// How far a stage's outputs are acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// All outputs of source records below this offset are acknowledged.
    pub source_next: u64,
    /// The digest of the last of these source records; 0 at the beginning.
    pub source_digest: u64,
    /// Where the stage's outputs stand.
    pub targets: Vec<TargetMark>,
}

/// The directory of one stage's partition. One stage writes it, from one thread.
#[derive(Debug)]
pub struct SnapshotStore {
    dir: PathBuf,
}

impl SnapshotStore {
    /// The snapshots in `dir`, which is made with the first write.
    pub fn new(dir: impl Into<PathBuf>) -> SnapshotStore {
        SnapshotStore { dir: dir.into() }
    }

    /// Writes a snapshot whose body has this schema; it is there as a whole and synced when this returns. Of the older
    /// ones the newest is kept; those beyond this one's position, which the stage can't have used, are removed.
    pub fn write(&self, snapshot: &Snapshot, schema: u16) -> Result<(), Error> {
        let head = file::Head::of_snapshot(snapshot);
        let parts = file::encode(&file::SNAPSHOT, schema, &head, &snapshot.body)?;
        let written = fs::create_dir_all(&self.dir)
            .and_then(|()| atomic_file::replace(&self.path(snapshot.source_next), &[&parts, &snapshot.body]));
        written.map_err(|cause| self.unavailable(cause))?;
        self.remove_unneeded(snapshot.source_next)
    }

    /// All readable snapshots of this schema, the newest first.
    pub fn load(&self, schema: u16) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots = Vec::new();
        for offset in self.offsets()?.into_iter().rev() {
            let path = self.path(offset);
            let read = read(&path, &file::SNAPSHOT, schema).map(|(head, body)| head.into_snapshot(body));
            match read {
                Ok(snapshot) if snapshot.source_next == offset => snapshots.push(snapshot),
                Ok(_) => tracing::warn!(snapshot = %path.display(), "it is of another offset; it is passed over"),
                Err(reason) => tracing::warn!(snapshot = %path.display(), %reason, "unreadable; it is passed over"),
            }
        }
        Ok(snapshots)
    }

    /// Replaces the mark; it is synced when this returns.
    pub fn write_mark(&self, mark: &Mark) -> Result<(), Error> {
        let head = file::encode(&file::MARK, file::MARK_SCHEMA, &file::Head::of_mark(mark), &[])?;
        let written = fs::create_dir_all(&self.dir).and_then(|()| atomic_file::replace(&self.mark_path(), &[&head]));
        written.map_err(|cause| self.unavailable(cause))
    }

    /// The mark, if there is a readable one.
    pub fn read_mark(&self) -> Option<Mark> {
        let path = self.mark_path();
        if !path.exists() {
            return None;
        }
        match read(&path, &file::MARK, file::MARK_SCHEMA) {
            Ok((head, _)) => Some(head.into_mark()),
            Err(reason) => {
                tracing::warn!(mark = %path.display(), %reason, "unreadable; the stage goes on without it");
                None
            }
        }
    }

    fn remove_unneeded(&self, written: u64) -> Result<(), Error> {
        let offsets = self.offsets()?;
        let before = offsets.iter().copied().rfind(|&offset| offset < written);
        for offset in offsets.into_iter().filter(|&offset| offset != written && Some(offset) != before) {
            fs::remove_file(self.path(offset)).map_err(|cause| self.unavailable(cause))?;
        }
        Ok(())
    }

    /// The offsets of the snapshot files, ascending.
    fn offsets(&self) -> Result<Vec<u64>, Error> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unavailable(error)),
        };
        let mut offsets = Vec::new();
        for entry in entries {
            let name = entry.map_err(|cause| self.unavailable(cause))?.file_name();
            offsets.extend(offset_of(&name.to_string_lossy()));
        }
        offsets.sort_unstable();
        Ok(offsets)
    }

    fn path(&self, offset: u64) -> PathBuf {
        self.dir.join(name(offset))
    }

    fn mark_path(&self) -> PathBuf {
        self.dir.join("mark")
    }

    fn unavailable(&self, cause: io::Error) -> Error {
        Error::unavailable(&self.dir, "a stage's snapshots could not be read or written").with_source(cause)
    }
}

fn name(offset: u64) -> String {
    format!("{offset:020}.snapshot")
}

fn offset_of(text: &str) -> Option<u64> {
    let offset = text.strip_suffix(".snapshot")?.parse().ok()?;
    (name(offset) == text).then_some(offset)
}

fn read(path: &Path, magic: &[u8; 8], schema: u16) -> Result<(file::Head, Vec<u8>), Error> {
    let bytes = fs::read(path).map_err(|cause| Error::unavailable(path, "it can't be read").with_source(cause))?;
    file::decode(path, magic, schema, bytes)
}
