//! Room on the disk: a rebuild, and a merge of files of rows, ends itself before it takes the last of what the live views, the log
//! and the stages write to.

use std::path::Path;

use orderledger_store::Error;
use rustix::fs::statvfs;

/// So much is left free, or a twentieth of a disk on which that is less.
const LEFT_FREE: u64 = 256 << 20;

/// The room on a disk, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// What is free.
    pub(crate) free: u64,
    /// What rebuilds and merges leave to the log and the live views.
    pub(crate) least: u64,
}

/// The room where this directory is.
pub(crate) fn room(dir: &Path) -> Result<Room, Error> {
    let disk = statvfs(dir)
        .map_err(|cause| Error::unavailable(dir, "the disk doesn't say how much is free").with_source(cause))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let least = LEFT_FREE.min(disk.f_blocks.saturating_mul(disk.f_frsize) / 20);
    Ok(Room { free, least })
}

/// [`Error::Unavailable`] if less than that would be free where this directory is once so many bytes more are written.
pub(crate) fn check_room(dir: &Path, bytes: u64) -> Result<(), Error> {
    let Room { free, least } = room(dir)?;
    if free >= least.saturating_add(bytes) {
        return Ok(());
    }
    let what = format!(
        "{} MiB are free on the disk, of which {} MiB are left to the log and the live views; make room, and what was begun here \
         can be begun again",
        free >> 20,
        least >> 20
    );
    Err(Error::unavailable(dir, what))
}
