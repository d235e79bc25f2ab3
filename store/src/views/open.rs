//! The open guard: a view that can't be opened is put aside, never repaired. It is rebuilt from the log.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::base::{Base, remove_unfinished_snapshots};
use super::block_cache::BlockCache;
use super::catalog::{self, Catalog};
use super::head::{self, DigestAt, HEAD_KEY};
use super::sorted::Sorted;
use super::{Disk, RowsDigest, Schema};
use crate::Error;
use crate::error::At;

/// Stands in a directory whose rows proved damaged while it was open, or that is still being loaded; an open that finds
/// it puts the directory aside.
const CONDEMNED: &str = "condemned";

/// Stands in a directory that was made in the place of one put aside or lost, until its rows are complete.
const INCOMPLETE: &str = "incomplete";

/// Directories put aside that are kept for a look at them.
const QUARANTINED_KEPT: usize = 2;

/// An open directory, where its fold stands, and the directory put aside for it, if any.
pub(super) struct Opened {
    /// What its rows are: what was asked for, or an earlier version of it.
    pub(super) schema: Schema,
    pub(super) disk: Disk,
    pub(super) at: DigestAt,
    pub(super) files: Vec<Arc<Sorted>>,
    pub(super) quarantined: Option<PathBuf>,
    /// It was made in the place of one that was put aside, now or before, and is not complete yet.
    pub(super) is_incomplete: bool,
}

/// Opens the directory, or puts it aside and makes a fresh one, whatever is wrong with what is in it. [`Error::InUse`] is nothing
/// wrong with it, nor is [`Error::Unavailable`]: what can't be read now (no right to, too many open files, a full disk) may be whole.
/// Rows of these older versions are opened as they are, to be read, if they are those of a fold that came to some position.
pub(super) fn open(dir: &Path, schema: Schema, older: &[u8], cache_bytes: u64) -> Result<Opened, Error> {
    let unavailable = |cause| Error::unavailable(dir, "the view's directory could not be made").with_source(cause);
    if !has_entries(dir).map_err(unavailable)? {
        fs::create_dir_all(dir).map_err(unavailable)?;
        return create(Base::open(dir, cache_bytes)?, (dir, schema, cache_bytes));
    }
    match open_existing(dir, schema, older, cache_bytes) {
        Ok(opened) => Ok(opened),
        Err(passing @ (Error::InUse { .. } | Error::Unavailable { .. })) => Err(passing),
        Err(reason) => {
            let aside = put_aside(dir).map_err(unavailable)?;
            let cause = std::error::Error::source(&reason).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%reason, cause, quarantine = %aside.display(), "a view could not be opened and is rebuilt");
            fs::create_dir_all(dir).map_err(unavailable)?;
            mark(dir, INCOMPLETE)?;
            let opened = create(Base::open(dir, cache_bytes)?, (dir, schema, cache_bytes))?;
            Ok(Opened { quarantined: Some(aside), is_incomplete: true, ..opened })
        }
    }
}

/// Whether the directory holds a view that was made to its end and has not proved damaged, with the files that belong to it. What is
/// in them is not read; and one whose files are being merged may be taken for one that lacks some.
pub(crate) fn is_whole(dir: &Path) -> bool {
    let is_marked = [CONDEMNED, INCOMPLETE].iter().any(|mark| dir.join(mark).exists());
    dir.join("db").is_file() && !is_marked && catalog::has_its_files(dir)
}

/// Whether a program with a newer version of these rows wrote what is in the directory.
pub(crate) fn is_newer(dir: &Path, schema: Schema) -> bool {
    catalog::version(dir, schema.name).is_some_and(|found| found > schema.version)
}

/// Whether the directory holds a whole view whose rows are of just this version.
pub(crate) fn fits(dir: &Path, schema: Schema) -> bool {
    is_whole(dir) && catalog::version(dir, schema.name) == Some(schema.version)
}

/// The next open of this directory puts it aside.
pub(super) fn condemn(dir: &Path) -> Result<(), Error> {
    mark(dir, CONDEMNED)
}

fn mark(dir: &Path, with: &str) -> Result<(), Error> {
    let marked = File::create(dir.join(with)).and_then(|file| file.sync_all());
    let marked = marked.and_then(|()| crate::atomic_file::sync_dir(Some(dir)));
    marked
        .map_err(|cause| Error::unavailable(dir, format!("the view could not be marked as {with}")).with_source(cause))
}

/// The directory is whole now.
pub(super) fn absolve(dir: &Path) -> Result<(), Error> {
    unmark(dir, CONDEMNED)
}

/// The rows are fewer than a reader may have seen.
pub(super) fn begin_incomplete(dir: &Path) -> Result<(), Error> {
    mark(dir, INCOMPLETE)
}

/// The rows are complete now.
pub(super) fn complete(dir: &Path) -> Result<(), Error> {
    unmark(dir, INCOMPLETE)
}

fn unmark(dir: &Path, what: &str) -> Result<(), Error> {
    let removed = fs::remove_file(dir.join(what)).and_then(|()| crate::atomic_file::sync_dir(Some(dir)));
    removed.map_err(|cause| Error::unavailable(dir, "the view could not be released").with_source(cause))
}

/// Creates the directory, which must not hold anything yet, to be loaded.
pub(super) fn create_to_load(dir: &Path, schema: Schema, cache_bytes: u64) -> Result<Base, Error> {
    let unavailable = |cause| Error::unavailable(dir, "the view's directory could not be made").with_source(cause);
    if has_entries(dir).map_err(unavailable)? {
        return Err(Error::refused(dir, "the directory is not empty"));
    }
    fs::create_dir_all(dir).map_err(unavailable)?;
    let base = Base::open_to_load(dir, cache_bytes)?;
    begin(&base, schema)?;
    Ok(base)
}

/// A fresh directory has a head from the start: one without is damaged.
fn begin(base: &Base, schema: Schema) -> Result<DigestAt, Error> {
    let at = DigestAt { digest: RowsDigest::default(), head: bytes::Bytes::new() };
    base.insert(&HEAD_KEY, &head::encode(schema, &at)?)?;
    base.sync()?;
    Ok(at)
}

fn create(base: Base, (dir, schema, cache_bytes): (&Path, Schema, u64)) -> Result<Opened, Error> {
    let at = begin(&base, schema)?;
    let blocks = Arc::new(BlockCache::new(cache_bytes));
    let (catalog, _) = Catalog::open(dir, schema, &blocks)?;
    let disk = Disk { base, base_is_empty: true, catalog: Mutex::new(catalog), blocks };
    Ok(Opened { schema, disk, at, files: Vec::new(), quarantined: None, is_incomplete: false })
}

fn open_existing(dir: &Path, wanted: Schema, older: &[u8], cache_bytes: u64) -> Result<Opened, Error> {
    if dir.join(CONDEMNED).exists() {
        return Err(Error::corrupt(
            dir,
            "a row proved damaged when it was last open, or it was never loaded to the end",
        ));
    }
    remove_unfinished_snapshots(dir)?;
    let base = Base::open(dir, cache_bytes)?;
    let frame = base.value(&HEAD_KEY)?.ok_or_else(|| Error::corrupt(dir, "it has no head"))?;
    let (version, in_sled) = head::decode(&At::from(dir), wanted, older, &frame)?;
    let schema = Schema { version, ..wanted };
    let found = base.keys_up_to_two()?;
    if found == 0 {
        return Err(Error::corrupt(dir, "its head can't be found by a scan"));
    }
    if found > 1 && in_sled.head.is_empty() {
        return Err(Error::corrupt(dir, "it has rows that no fold has put there"));
    }
    let base_is_empty = found == 1;
    let blocks = Arc::new(BlockCache::new(cache_bytes));
    let (catalog, found) = Catalog::open(dir, schema, &blocks)?;
    let base = if head::is_above_blocks(&frame) { base.of_blocks(&blocks)? } else { base };
    if head::is_all_in_sled(&frame) {
        if found.is_some() {
            return Err(Error::corrupt(dir, "rows were written to sled below files of rows"));
        }
        // One that is only read stays as it is: the program that wrote it may come back to it.
        if schema == wanted {
            base.insert(&HEAD_KEY, &head::encode(schema, &in_sled)?)?;
            base.sync()?;
        }
    }
    let (at, files) = found.unwrap_or((in_sled, Vec::new()));
    let is_incomplete = dir.join(INCOMPLETE).exists();
    if schema != wanted && (is_incomplete || at.head.is_empty()) {
        return Err(Error::corrupt(dir, format!("its rows of schema {} {version} are not complete", schema.name)));
    }
    let disk = Disk { base, base_is_empty, catalog: Mutex::new(catalog), blocks };
    Ok(Opened { schema, disk, at, files, quarantined: None, is_incomplete })
}

fn has_entries(dir: &Path) -> std::io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().transpose()?.is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Renames `DIR` to `DIR.quarantine-N` and removes the oldest of its kind.
fn put_aside(dir: &Path) -> std::io::Result<PathBuf> {
    let aside = |number: u64| {
        let mut path = dir.as_os_str().to_owned();
        path.push(format!(".quarantine-{number}"));
        PathBuf::from(path)
    };
    let mut numbers = quarantined(dir)?;
    let next = numbers.last().copied().unwrap_or_default().saturating_add(1);
    fs::rename(dir, aside(next))?;
    numbers.push(next);
    for &old in numbers.iter().rev().skip(QUARANTINED_KEPT) {
        fs::remove_dir_all(aside(old))?;
    }
    Ok(aside(next))
}

/// The numbers of the directories put aside for `dir`, oldest first.
fn quarantined(dir: &Path) -> std::io::Result<Vec<u64>> {
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(Vec::new()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let prefix = format!("{}.quarantine-", name.to_string_lossy());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(parent)? {
        let name = entry?.file_name();
        numbers.extend(name.to_string_lossy().strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
