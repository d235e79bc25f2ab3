//! Snapshots of a stage's state at a position of its source, and the mark of how far its outputs are acknowledged since.
//!
//! `DIR/00000000000000001842.snapshot` holds the state before offset 1842 of the source; the newest two are kept. One
//! that can't be read is passed over with a warning: the stage replays from the one before, or from offset zero.
//! `DIR/mark` is small and replaced often. Neither is the only copy of anything.

use std::io;
use std::path::PathBuf;

use orderledger_domain::position::TopicPartition;

use crate::folder::Folder;
use crate::{Error, faults};

mod file;
#[cfg(test)]
mod tests;

/// The name of the mark's file.
const MARK: &str = "mark";

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
    dir: Folder,
}

impl SnapshotStore {
    /// The snapshots in `dir`, which is made with the first write.
    pub fn new(dir: impl Into<Folder>) -> SnapshotStore {
        SnapshotStore { dir: dir.into() }
    }

    /// Writes a snapshot whose body has this schema; it is there as a whole and synced when this returns. Of the older
    /// ones the newest is kept; those beyond this one's position, which the stage can't have used, are removed.
    pub fn write(&self, snapshot: &Snapshot, schema: u16) -> Result<(), Error> {
        let head = file::Head::of_snapshot(snapshot);
        let parts = file::encode(&file::SNAPSHOT, schema, &head, &snapshot.body)?;
        faults::point("snapshot.before-write");
        let written = self.dir.replace(&name(snapshot.source_next), &[&parts, &snapshot.body]);
        written.map_err(|cause| self.unavailable(cause))?;
        faults::point("snapshot.after-write");
        self.remove_unneeded(snapshot.source_next)
    }

    /// All readable snapshots of this schema, the newest first.
    pub fn load(&self, schema: u16) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots = Vec::new();
        for offset in self.offsets()?.into_iter().rev() {
            let path = self.path(&name(offset));
            let read = self.read(&name(offset), &file::SNAPSHOT, schema).map(|(head, body)| head.into_snapshot(body));
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
        faults::point("mark.before-write");
        let written = self.dir.replace(MARK, &[&head]).map_err(|cause| self.unavailable(cause));
        faults::point("mark.after-write");
        written
    }

    /// The mark, if there is a readable one.
    pub fn read_mark(&self) -> Option<Mark> {
        let bytes = match self.dir.read(MARK) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            bytes => bytes,
        };
        let path = self.path(MARK);
        let bytes = bytes.map_err(|cause| unreadable(&path, cause));
        match bytes.and_then(|bytes| file::decode(&path, &file::MARK, file::MARK_SCHEMA, bytes)) {
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
            self.dir.remove(&name(offset)).map_err(|cause| self.unavailable(cause))?;
        }
        Ok(())
    }

    /// The offsets of the snapshot files, ascending.
    fn offsets(&self) -> Result<Vec<u64>, Error> {
        let names = self.dir.names().map_err(|cause| self.unavailable(cause))?;
        let mut offsets: Vec<u64> = names.iter().filter_map(|name| offset_of(name)).collect();
        offsets.sort_unstable();
        Ok(offsets)
    }

    fn read(&self, name: &str, magic: &[u8; 8], schema: u16) -> Result<(file::Head, Vec<u8>), Error> {
        let path = self.path(name);
        let bytes = self.dir.read(name).map_err(|cause| unreadable(&path, cause))?;
        file::decode(&path, magic, schema, bytes)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn unavailable(&self, cause: io::Error) -> Error {
        Error::unavailable(self.dir.path(), "a stage's snapshots could not be read or written").with_source(cause)
    }
}

fn name(offset: u64) -> String {
    format!("{offset:020}.snapshot")
}

fn offset_of(text: &str) -> Option<u64> {
    let offset = text.strip_suffix(".snapshot")?.parse().ok()?;
    (name(offset) == text).then_some(offset)
}

fn unreadable(path: &std::path::Path, cause: io::Error) -> Error {
    Error::unavailable(path, "it can't be read").with_source(cause)
}
