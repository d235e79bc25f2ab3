//! What was committed last, in a file of its own that is written over and over: it is put in its places later, many commits at once.
//!
//! The first page says whose journal it is and how long. Two halves follow. An entry is one commit and begins a page: `id u64 | number u64 |
//! length u32 | crc32c u32 | batches`, little-endian, the checksum over all but itself. Entries fill one half until what stands there is handed over to be
//! put in its places, then the other, whose entries were put in theirs before (docs/adr/0031). Every page was written when the file was made, so a
//! commit's sync waits for its own pages and for nothing that the file system must note.

mod payload;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::Error;
use crate::atomic_file::sync_dir;
use crate::event_log::embedded::batches::Encoded;
use crate::event_log::embedded::files::journal_of;

const PAGE: usize = 4096;
const PAGE_BYTES: u64 = PAGE as u64;
/// At the beginning of the first page; the journal's id and the length of a half follow.
const MAGIC: &[u8; 8] = b"OLJOURNL";
const HEAD_BYTES: usize = 24;
const CHECKSUM_AT: usize = 20;

/// What the log's newest file says of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which journal: another one each time that it is begun.
    pub(super) id: u64,
    /// The batches of the entries up to this number are in their places.
    pub(super) placed: u64,
}

/// The journal that is written.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    id: u64,
    /// The number of the last entry; they count from 1.
    last: u64,
    half_bytes: u64,
    /// 0 or 1.
    half: u64,
    /// Bytes of this half that its entries take.
    used: u64,
}

impl Journal {
    /// Begins the journal of a log with nothing in it, in the file that there is or a new one. Until the log's newest file has its mark, it is nobody's.
    pub(super) fn begin(log: &Path, half_bytes: u64) -> Result<Journal, Error> {
        let path = journal_of(log);
        let half_bytes = half_bytes.next_multiple_of(PAGE_BYTES);
        let id = Uuid::new_v4().as_u64_pair().0;
        let begin = || -> io::Result<File> {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            let bytes = PAGE_BYTES.saturating_add(half_bytes.saturating_mul(2));
            if file.metadata()?.len() != bytes {
                file.set_len(0)?;
                for page in 0..bytes / PAGE_BYTES {
                    file.write_all_at(&[0; PAGE], page * PAGE_BYTES)?;
                }
            }
            // Nothing of the journal before is needed any more: who opened the log has put it in its place, synced.
            file.write_all_at(&first_page(id, half_bytes), 0)?;
            file.sync_all()?;
            sync_dir(path.parent())?;
            Ok(file)
        };
        let file = begin().map_err(|error| Error::unavailable(&path, "can't make it").with_source(error))?;
        Ok(Journal { file, path, id, last: 0, half_bytes, half: 0, used: 0 })
    }

    /// The mark of a file with all entries in their places.
    pub(super) fn mark(&self) -> Mark {
        Mark { id: self.id, placed: self.last }
    }

    /// Counts batches that go to their places at once, with all before them, as an entry: a file without them is seen to be older by the mark, which is
    /// given. Goes on in the other half.
    pub(super) fn pass(&mut self) -> Mark {
        self.last = self.last.saturating_add(1);
        self.turn();
        self.mark()
    }

    /// Writes batches as one entry, which is on the disk when this returns; `false`: there is no room left in this half, and nothing was written.
    pub(super) fn append(&mut self, batches: &[Encoded]) -> Result<bool, Error> {
        let number = self.last.saturating_add(1);
        let Some(entry) = entry(self.id, number, &payload::write(batches)) else { return Ok(false) };
        let bytes = entry.len() as u64;
        if self.used.saturating_add(bytes) > self.half_bytes {
            return Ok(false);
        }
        let at = PAGE_BYTES + self.half * self.half_bytes + self.used;
        let written = self.file.write_all_at(&entry, at).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::unavailable(&self.path, "can't write to it").with_source(error))?;
        self.last = number;
        self.used += bytes;
        Ok(true)
    }

    /// Goes on at the beginning of the other half, whose entries must be in their places.
    pub(super) fn turn(&mut self) {
        self.half = 1 - self.half;
        self.used = 0;
    }
}

/// The batches of the journal that are not in their places, in the order in which they were committed. [`Error::Corrupt`] where the journal is
/// missing, another log's, cut, or has a hole. An entry that was being written when a kill came is no entry: nobody was told of it.
pub(super) fn read(log: &Path, mark: Mark) -> Result<Vec<Encoded>, Error> {
    let path = journal_of(log);
    let file = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::corrupt(
            &path,
            "it is missing, and the log's last commits are in it; put it back beside the log's files",
        ),
        _ => Error::unavailable(&path, "can't read it").with_source(error),
    })?;
    let half_bytes = (file.len() as u64).saturating_sub(PAGE_BYTES) / 2;
    if !file.starts_with(&first_page(mark.id, half_bytes)) {
        let what = "it is damaged or cut, or not the journal that the log's newest file was written with";
        return Err(Error::corrupt(&path, what));
    }
    let (mut found, mut torn) = (BTreeMap::new(), Vec::new());
    for page in 1..file.len() / PAGE {
        match file.get(page * PAGE..).and_then(|bytes| entry_at(bytes, mark.id)) {
            Some((number, _)) if number <= mark.placed => {}
            Some((number, Some(batches))) => drop(found.insert(number, batches)),
            Some((number, None)) => torn.push(number),
            None => {}
        }
    }
    // One at a time is written, when the one before is on the disk.
    let next = mark.placed.saturating_add(1).saturating_add(found.len() as u64);
    let has_hole = !found.keys().copied().eq(mark.placed.saturating_add(1)..next);
    if has_hole || torn.iter().any(|number| *number != next) {
        let what = "it is damaged, or the log's newest file is an older state of itself: a commit is missing";
        return Err(Error::corrupt(&path, what));
    }
    let batches: Option<Vec<Vec<Encoded>>> = found.values().map(|bytes| payload::read(bytes)).collect();
    let damaged = || Error::corrupt(&path, "it is damaged: a commit in it is not whole");
    Ok(batches.ok_or_else(damaged)?.into_iter().flatten().collect())
}

fn first_page(id: u64, half_bytes: u64) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    let fields = [*MAGIC, id.to_le_bytes(), half_bytes.to_le_bytes()].concat();
    page.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    page
}

/// An entry's bytes, whole pages; `None`: it is longer than 4 GiB.
fn entry(id: u64, number: u64, batches: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(batches.len()).ok()?;
    let bytes = HEAD_BYTES.saturating_add(batches.len()).next_multiple_of(PAGE);
    let mut entry = Vec::with_capacity(bytes);
    entry.extend_from_slice(&id.to_le_bytes());
    entry.extend_from_slice(&number.to_le_bytes());
    entry.extend_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&entry), batches);
    entry.extend_from_slice(&checksum.to_le_bytes());
    entry.extend_from_slice(batches);
    entry.resize(bytes, 0);
    Some(entry)
}

/// The number of this journal's entry that begins here, if one does, and its batches if it is whole.
fn entry_at(bytes: &[u8], of: u64) -> Option<(u64, Option<&[u8]>)> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (covered, checksum) = head.split_at_checked(CHECKSUM_AT)?;
    let (id, covered_rest) = covered.split_first_chunk::<8>()?;
    let (number, length) = covered_rest.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*id) != of {
        return None;
    }
    let length = usize::try_from(u32::from_le_bytes(*length.first_chunk()?)).ok()?;
    let checksum = u32::from_le_bytes(*checksum.first_chunk()?);
    let is_whole = |batches: &&[u8]| checksum == crc32c::crc32c_append(crc32c::crc32c(covered), batches);
    Some((u64::from_le_bytes(*number), rest.get(..length).filter(is_whole)))
}
