//! The log as a row of files: the newest is written, the others are sealed. A kill costs a walk through the newest alone.
//!
//! Going on in a new file, before batches are put in their places: the new one is made under a name that is none, gets its name once it is on
//! the disk, and only then the one before it is sealed, in that one's last commit. So where the newest file is empty and
//! the one before it is not sealed, a kill came between, and the empty one is removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use orderledger_domain::position::{Position, TopicPartition};
use quick_cache::sync::Cache;

use crate::error::At;
use crate::event_log::Record;
use crate::event_log::embedded::batches::{Bounds, Encoded, Scan, all_partitions};
use crate::event_log::embedded::files::{FIRST, journal_of, path_of, tidied};
use crate::event_log::embedded::frame;
use crate::event_log::embedded::journal::{self, Mark};
use crate::event_log::embedded::segment::{Newest, Sealed, Summary};
use crate::event_log::embedded::tail::index;
use crate::{Error, faults, in_turn};

/// So many sealed files are open at most. Workers read the log in step, and people ask for a few places of it.
const OPEN_MAX: usize = 16;

const OLDER: &str = "it is an older state of itself, from before the log went on in the next file";

/// All files of a log; all their batches are synced.
pub(super) struct Segments {
    /// The first file.
    log: PathBuf,
    partitions: u32,
    segment_bytes: u64,
    /// A newest file that is longer is full.
    full_at: AtomicU64,
    page_cache_bytes: usize,
    files: RwLock<Files>,
    sealed: Cache<u32, Arc<Sealed>>,
    /// A batch of which a time is read: a view far behind is looked at several times a second, in every partition.
    scratch: Mutex<Vec<u8>>,
}

struct Files {
    newest: Newest,
    /// What the log held when each sealed file was, the oldest first.
    earlier: Vec<Summary>,
}

impl Segments {
    /// Opens or creates the log. Its newest file goes on until it is longer than `segment_bytes`.
    pub(super) fn open(
        log: &Path,
        partitions: u32,
        segment_bytes: u64,
        page_cache_bytes: usize,
    ) -> Result<Segments, Error> {
        let numbers = tidied(log)?;
        if let Some((_, missing)) = numbers.iter().zip(FIRST..).find(|(number, expected)| **number != *expected) {
            return Err(Error::corrupt(path_of(log, missing), "it is missing, and the log has files behind it"));
        }
        let last = numbers.last().copied().unwrap_or(FIRST);
        let newest = open_newest(log, last, partitions, page_cache_bytes)?;
        if newest.is_sealed()? {
            return Err(Error::corrupt(path_of(log, newest.number + 1), "it is missing, and the log goes on in it"));
        }
        let count = all_partitions(partitions).count();
        let earlier = newest.earlier(count)?;
        let files = Files { newest, earlier };
        files.take_up_journal(log, partitions)?;
        Ok(Segments {
            log: log.to_owned(),
            partitions,
            segment_bytes,
            full_at: AtomicU64::new(segment_bytes),
            page_cache_bytes,
            files: RwLock::new(files),
            sealed: Cache::new(OPEN_MAX),
            scratch: Mutex::default(),
        })
    }

    /// Where every partition begins and ends, in the log's numbering order.
    pub(super) fn bounds(&self) -> Result<Summary, Error> {
        self.files().summary(self.partitions)
    }

    /// Writes batches in one transaction with the mark of the journal; they are on the disk when this returns. One thread at a time calls it.
    pub(super) fn write(&self, batches: &[Encoded], mark: Option<Mark>) -> Result<(), Error> {
        self.go_on_when_full()?;
        self.files().newest.write(batches, mark)
    }

    /// The log's name, which is its first file's.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Records of the partition from offset `from` on and below `end`: whole batches, until `max_bytes` of them or
    /// `max_records` are read.
    pub(super) fn records(
        &self,
        of: TopicPartition,
        from: u64,
        end: u64,
        max_bytes: usize,
        max_records: usize,
    ) -> Result<Vec<Record>, Error> {
        let mut records: Vec<Record> = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        while next < end && bytes < max_bytes && records.len() < max_records {
            let left = (max_bytes - bytes, max_records - records.len());
            let more = self.with_scan(of, next, |scan| scan.records(of, next, end, left.0, left.1));
            let more = more.map_err(|error| of_the_log(error, of.offset(next)))?;
            let Some(last) = more.last() else { break };
            next = last.offset.saturating_add(1);
            bytes += more.iter().map(Record::bytes).sum::<usize>();
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        Ok(records)
    }

    /// When the partition's record at `from` was appended, or the first behind it in the same file, below `end`.
    pub(super) fn appended_at(&self, of: TopicPartition, from: u64, end: u64) -> Result<Option<i64>, Error> {
        // Nobody waits for it: who has it may be a thread that lags.
        let kept = match self.scratch.try_lock() {
            Ok(kept) => Some(kept),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let (mut kept, mut own) = (kept, Vec::new());
        let scratch = kept.as_deref_mut().unwrap_or(&mut own);
        let time = self.with_scan(of, from, |scan| scan.appended_at(of, from, end, scratch));
        time.map_err(|error| of_the_log(error, of.offset(from)))
    }

    /// Reads the file that has the partition's record at `from`, or the first behind it.
    fn with_scan<T>(
        &self,
        of: TopicPartition,
        from: u64,
        read: impl FnOnce(&Scan<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let files = self.files();
        let Some(number) = files.holder(of, self.partitions, from) else {
            // Commits write to that one, and wait until nobody reads it when the log goes on in a new file.
            return in_turn(|| read(&files.newest.scan()?));
        };
        let open = || in_turn(|| self.open_sealed(number, &files.earlier));
        let sealed = self.sealed.get_or_insert_with(&number, open)?;
        // Nothing of it changes any more: the log may go on in a new file while it is read.
        drop(files);
        read(&sealed.scan()?)
    }

    fn open_sealed(&self, number: u32, earlier: &[Summary]) -> Result<Arc<Sealed>, Error> {
        let found = Sealed::find(&self.log, number, self.partitions, sealed_share(self.page_cache_bytes))?;
        let Some(sealed) = found else {
            return Err(Error::corrupt(path_of(&self.log, number), OLDER));
        };
        let scan = sealed.scan()?;
        let upto = (number - FIRST) as usize;
        let known = earlier.get(upto).map(Vec::as_slice).unwrap_or_default();
        let before = upto.checked_sub(1).and_then(|before| earlier.get(before)).map(Vec::as_slice).unwrap_or_default();
        for (place, (of, known)) in all_partitions(self.partitions).zip(known).enumerate() {
            let before = before.get(place).copied().unwrap_or_default();
            if before.and(scan.bounds(of)?) != *known {
                return Err(Error::corrupt(sealed.path(), format!("it doesn't hold what the log had of {of} in it")));
            }
        }
        drop(scan);
        Ok(Arc::new(sealed))
    }

    fn go_on_when_full(&self) -> Result<(), Error> {
        let files = self.files();
        let bytes = files.newest.bytes()?;
        if bytes <= self.full_at.load(Ordering::Relaxed) || files.newest.is_empty()? {
            return Ok(());
        }
        let mut earlier = files.earlier.clone();
        earlier.push(files.summary(self.partitions)?);
        let number = files.newest.number + 1;
        let cache_bytes = newest_share(self.page_cache_bytes);
        let mark = files.newest.mark()?;
        let newest = match Newest::create(&self.log, number, self.partitions, cache_bytes, &earlier, mark) {
            Ok(newest) => newest,
            // The full one is as it was: it goes on, and a later commit tries again.
            Err(error) => {
                let full = files.newest.path().display();
                tracing::warn!(%full, %error, "the event log could not go on in a new file, and goes on in this one");
                self.full_at.store(bytes.saturating_add(self.segment_bytes / 8), Ordering::Relaxed);
                return Ok(());
            }
        };
        self.full_at.store(self.segment_bytes, Ordering::Relaxed);
        faults::point("segment.before-seal");
        files.newest.seal()?;
        drop(files);
        faults::point("segment.before-close");
        // Nobody reads the full file while it is closed, and nobody may open it before.
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let full = std::mem::replace(&mut *files, Files { newest, earlier });
        let path = full.newest.path().to_owned();
        if let Err(error) = full.newest.close() {
            tracing::warn!(full = %path.display(), %error, "it is closed in order when it is read next");
        }
        drop(files);
        tracing::info!(full = %path.display(), next = number, "the event log goes on in a new file");
        faults::point("segment.after-close");
        Ok(())
    }

    fn files(&self) -> RwLockReadGuard<'_, Files> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// The sealed file that has the partition's record at `from`, or the first behind it; `None`: only the newest may.
    fn holder(&self, of: TopicPartition, partitions: u32, from: u64) -> Option<u32> {
        let place = index(of, partitions)?;
        let ends_before = |summary: &Summary| summary.get(place).is_none_or(|bounds| bounds.end <= from);
        let passed = self.earlier.partition_point(ends_before);
        (passed < self.earlier.len()).then(|| FIRST + u32::try_from(passed).unwrap_or(u32::MAX - FIRST))
    }

    /// Puts in its place what a kill left in the journal alone.
    fn take_up_journal(&self, log: &Path, partitions: u32) -> Result<(), Error> {
        let Some(mark) = self.newest.mark()? else { return Ok(()) };
        let batches = journal::read(log, mark)?;
        let mut ends = self.summary(partitions)?;
        for batch in &batches {
            let head = frame::head(&batch.frame, batch.of.offset(batch.base))?;
            match index(batch.of, partitions).and_then(|place| ends.get_mut(place)) {
                Some(bounds) if bounds.end == batch.base => {
                    bounds.end = bounds.end.saturating_add(u64::from(head.count));
                }
                _ => {
                    let what = "it doesn't go on where the log's files end: one of them is an older state of itself";
                    return Err(Error::corrupt(journal_of(log), what));
                }
            }
        }
        self.newest.write(&batches, None)
    }

    fn summary(&self, partitions: u32) -> Result<Summary, Error> {
        let scan = self.newest.scan()?;
        let before = self.earlier.last().map(Vec::as_slice).unwrap_or_default();
        let one = |(place, of)| {
            let before: Bounds = before.get(place).copied().unwrap_or_default();
            let own = scan.bounds(of)?;
            if !own.is_empty() && own.first < before.end {
                let what = format!(
                    "it is damaged: it begins at {of} {}, and the file before it ends at {}",
                    own.first, before.end
                );
                return Err(Error::corrupt(self.newest.path(), what));
            }
            Ok(before.and(own))
        };
        all_partitions(partitions).enumerate().map(one).collect()
    }
}

/// Opens the file that is written, which is the one before the last where a kill came before that was sealed.
fn open_newest(log: &Path, last: u32, partitions: u32, page_cache_bytes: usize) -> Result<Newest, Error> {
    let cache_bytes = newest_share(page_cache_bytes);
    let newest = Newest::open(log, last, partitions, cache_bytes)?;
    if last == FIRST
        || !newest.is_empty()?
        || Sealed::find(log, last - 1, partitions, sealed_share(page_cache_bytes))?.is_some()
    {
        return Ok(newest);
    }
    let full = Newest::open(log, last - 1, partitions, cache_bytes)?;
    let known = newest.earlier(all_partitions(partitions).count())?;
    let before = known.iter().rev().nth(1).map(Vec::as_slice).unwrap_or_default();
    let scan = full.scan()?;
    for (place, (of, known)) in all_partitions(partitions).zip(known.last().into_iter().flatten()).enumerate() {
        if before.get(place).copied().unwrap_or_default().and(scan.bounds(of)?).end < known.end {
            return Err(Error::corrupt(full.path(), OLDER));
        }
    }
    drop(scan);
    newest.discard()?;
    Ok(full)
}

/// Damage of a file that is found by a reader is the log's at that position; by its path it could be that of a view.
fn of_the_log(error: Error, position: Position) -> Error {
    match error {
        Error::Corrupt { at: At::Path(path), what, source } => {
            Error::Corrupt { at: position.into(), what: format!("{}: {what}", path.display()).into(), source }
        }
        other => other,
    }
}

/// Half of the memory for pages is the newest file's, which is written.
fn newest_share(page_cache_bytes: usize) -> usize {
    page_cache_bytes / 2
}

fn sealed_share(page_cache_bytes: usize) -> usize {
    page_cache_bytes / 2 / OPEN_MAX
}
