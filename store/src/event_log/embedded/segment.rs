//! One file of the log: written as long as it is the newest, then sealed and only read.
//!
//! The first file is what a log without others is, and a release that knows no others may go on with it until it is
//! sealed. Each later one says what stands in all before it.

use std::fs;
use std::path::{Path, PathBuf};

use redb::{
    Database, Durability, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use crate::atomic_file::sync_dir;
use crate::event_log::embedded::batches::{BATCHES, Bounds, Encoded, Scan, key};
use crate::event_log::embedded::files::{FIRST, path_of, remove, unfinished};
use crate::event_log::embedded::journal::Mark;
use crate::redb_file::{self, Kind, guarded, storage_error};
use crate::{Error, faults};

/// A log in one file.
const ALONE: u64 = 1;
/// A file of a log that has others.
const ONE_OF_SEVERAL: u64 = 2;
/// Either, and the log's last commits may be in its journal alone. (3 was never released.)
const WITH_JOURNAL: u64 = 4;
const KIND_NAME: &str = "orderledger log format";
const FIRST_KIND: Kind = Kind { name: KIND_NAME, format: ALONE, known: &[ALONE, ONE_OF_SEVERAL, WITH_JOURNAL] };
const LATER_KIND: Kind = Kind { name: KIND_NAME, format: ONE_OF_SEVERAL, known: &[ONE_OF_SEVERAL, WITH_JOURNAL] };

const PARTITIONS: &str = "partitions";
const NUMBER: &str = "segment";
const SEALED: &str = "sealed";
const JOURNAL: &str = "journal";
const PLACED: &str = "journal entries in place";

/// Number of an earlier file → [`Summary`] as bytes.
const EARLIER: TableDefinition<u32, &[u8]> = TableDefinition::new("earlier segments");

/// What a log holds up to the end of a file, by partition, in the log's numbering order.
pub(super) type Summary = Vec<Bounds>;

/// The newest file.
pub(super) struct Newest {
    database: Database,
    path: PathBuf,
    pub(super) number: u32,
}

/// An earlier file.
pub(super) struct Sealed {
    database: ReadOnlyDatabase,
    path: PathBuf,
}

impl Newest {
    /// Opens the file of that number; the first one is made when it is missing.
    pub(super) fn open(log: &Path, number: u32, partitions: u32, cache_bytes: usize) -> Result<Newest, Error> {
        let path = path_of(log, number);
        let is_new = !path.exists();
        let database = redb_file::open(&path, cache_bytes, kind_of(number))?;
        if number == FIRST && redb_file::pinned(&database, &path, PARTITIONS)?.is_none() {
            redb_file::pin(&database, &path, PARTITIONS, u64::from(partitions))?;
        }
        check_partitions(&database, &path, partitions)?;
        check_number(&database, &path, number)?;
        let newest = Newest { database, path, number };
        if !guarded(&newest.path, || newest.has_batches())? {
            newest.write(&[], None)?;
        }
        if is_new {
            newest.sync_directory()?;
        }
        Ok(newest)
    }

    /// Makes the file of that number, empty and complete, on the disk under its name. It has the mark of the one before.
    pub(super) fn create(
        log: &Path,
        number: u32,
        partitions: u32,
        cache_bytes: usize,
        earlier: &[Summary],
        mark: Option<Mark>,
    ) -> Result<Newest, Error> {
        let (making, path) = (unfinished(log, number), path_of(log, number));
        remove(&making)?;
        let database = redb_file::open(&making, cache_bytes, kind_of(number))?;
        redb_file::pin(&database, &making, PARTITIONS, u64::from(partitions))?;
        redb_file::pin(&database, &making, NUMBER, u64::from(number))?;
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            let mut table = transaction.open_table(EARLIER)?;
            for (number, summary) in (FIRST..).zip(earlier) {
                table.insert(number, encode(summary).as_slice())?;
            }
            drop(table);
            transaction.open_table(BATCHES)?;
            pin_mark(&transaction, kind_of(number), mark)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| storage_error(&making, "can't write to it", error))?;
        faults::point("segment.before-rename");
        fs::rename(&making, &path)
            .map_err(|error| Error::unavailable(&path, "can't give it its name").with_source(error))?;
        faults::point("segment.after-rename");
        let newest = Newest { database, path, number };
        newest.sync_directory()?;
        Ok(newest)
    }

    /// Writes batches and the mark in one transaction; they are on the disk when this returns. Without a mark there is no journal any more.
    pub(super) fn write(&self, batches: &[Encoded], mark: Option<Mark>) -> Result<(), Error> {
        let write = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            let mut table = transaction.open_table(BATCHES)?;
            for batch in batches {
                table.insert(&key(batch.of, batch.base), batch.frame.as_slice())?;
            }
            drop(table);
            pin_mark(&transaction, kind_of(self.number), mark)?;
            transaction.commit()?;
            Ok(())
        };
        write().map_err(|error| storage_error(&self.path, "can't write to it", error))
    }

    /// The mark of the journal that may have commits which are not in their places; `None`: there is no such journal.
    pub(super) fn mark(&self) -> Result<Option<Mark>, Error> {
        let pinned = |name| redb_file::pinned(&self.database, &self.path, name);
        if pinned(KIND_NAME)? != Some(WITH_JOURNAL) {
            return Ok(None);
        }
        match (pinned(JOURNAL)?, pinned(PLACED)?) {
            (Some(id), Some(placed)) => Ok(Some(Mark { id, placed })),
            _ => Err(Error::corrupt(&self.path, "it is damaged: it doesn't say which journal it has")),
        }
    }

    /// Its batches as they are now.
    pub(super) fn scan(&self) -> Result<Scan<'_>, Error> {
        Scan::begin(&self.database, &self.path)
    }

    /// Whether it has the table of batches: a kill may have come right after the file was made.
    fn has_batches(&self) -> Result<bool, Error> {
        let read = || -> Result<bool, redb::Error> {
            match self.database.begin_read()?.open_table(BATCHES) {
                Ok(_) => Ok(true),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
                Err(error) => Err(error.into()),
            }
        };
        read().map_err(|error| storage_error(&self.path, "can't read it", error))
    }

    /// Whether it holds no batch.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        guarded(&self.path, || self.scan()?.is_empty())
    }

    /// The length of the file in bytes, of which up to a half may be room.
    pub(super) fn bytes(&self) -> Result<u64, Error> {
        let known = fs::metadata(&self.path);
        known.map(|file| file.len()).map_err(|error| Error::unavailable(&self.path, "can't see it").with_source(error))
    }

    /// What it says of the files before it.
    pub(super) fn earlier(&self, partitions: usize) -> Result<Vec<Summary>, Error> {
        if self.number == FIRST {
            return Ok(Vec::new());
        }
        let read = || -> Result<Vec<(u32, Vec<u8>)>, redb::Error> {
            let table = self.database.begin_read()?.open_table(EARLIER)?;
            let rows = table.iter()?.map(|row| row.map(|(number, bytes)| (number.value(), bytes.value().to_vec())));
            Ok(rows.collect::<Result<_, _>>()?)
        };
        let read = || read().map_err(|error| storage_error(&self.path, "can't read it", error));
        let rows = guarded(&self.path, read)?;
        let numbered = rows.iter().map(|(number, _)| *number).eq(FIRST..self.number);
        let summaries: Vec<Summary> = rows.iter().map(|(_, bytes)| decode(bytes)).collect();
        if !numbered || summaries.iter().any(|summary| summary.len() != partitions) {
            return Err(Error::corrupt(&self.path, "it is damaged: what it says of the files before it is not whole"));
        }
        Ok(summaries)
    }

    /// Whether nothing may be written to it any more.
    pub(super) fn is_sealed(&self) -> Result<bool, Error> {
        Ok(redb_file::pinned(&self.database, &self.path, SEALED)?.is_some())
    }

    /// Ends it for writers, for ever. A release that knows no files after the first refuses it from now on.
    pub(super) fn seal(&self) -> Result<(), Error> {
        redb_file::pin_last(&self.database, &self.path, &[(KIND_NAME, ONE_OF_SEVERAL), (SEALED, 1)])
    }

    /// Closes the file in order, so that it can be opened to be read.
    pub(super) fn close(self) -> Result<(), Error> {
        self.database.close().map_err(|error| storage_error(&self.path, "can't close it", error.into()))
    }

    /// Closes and removes a file that holds nothing.
    pub(super) fn discard(self) -> Result<(), Error> {
        let Newest { database, path, .. } = self;
        drop(database);
        remove(&path)?;
        sync_dir(path.parent()).map_err(|error| Error::unavailable(&path, "can't remove it").with_source(error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn sync_directory(&self) -> Result<(), Error> {
        let synced = sync_dir(self.path.parent());
        synced.map_err(|error| Error::unavailable(&self.path, "can't sync its directory").with_source(error))
    }
}

impl Sealed {
    /// Opens the file of that number; `None` if it is not sealed.
    pub(super) fn find(log: &Path, number: u32, partitions: u32, cache_bytes: usize) -> Result<Option<Sealed>, Error> {
        let path = path_of(log, number);
        let database = redb_file::open_read_only(&path, cache_bytes, kind_of(number))?;
        check_partitions(&database, &path, partitions)?;
        check_number(&database, &path, number)?;
        let sealed = redb_file::pinned(&database, &path, SEALED)?;
        Ok(sealed.map(|_| Sealed { database, path }))
    }

    /// Its batches.
    pub(super) fn scan(&self) -> Result<Scan<'_>, Error> {
        Scan::begin(&self.database, &self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn kind_of(number: u32) -> Kind {
    if number == FIRST { FIRST_KIND } else { LATER_KIND }
}

fn pin_mark(transaction: &WriteTransaction, kind: Kind, mark: Option<Mark>) -> Result<(), redb::Error> {
    let Some(Mark { id, placed }) = mark else { return redb_file::pin_in(transaction, KIND_NAME, kind.format) };
    // A release that knows no journal must not take the file for all of the log.
    redb_file::pin_in(transaction, KIND_NAME, WITH_JOURNAL)?;
    redb_file::pin_in(transaction, JOURNAL, id)?;
    redb_file::pin_in(transaction, PLACED, placed)
}

fn check_partitions(database: &impl ReadableDatabase, path: &Path, partitions: u32) -> Result<(), Error> {
    match redb_file::pinned(database, path, PARTITIONS)? {
        Some(pinned) if pinned == u64::from(partitions) => Ok(()),
        Some(pinned) => {
            let what = format!(
                "it has {pinned} partitions a topic and can't be opened with {partitions}; use {pinned}, or begin a new \
                 log in another directory"
            );
            Err(Error::refused(path, what))
        }
        None => Err(Error::corrupt(path, "it is damaged: it doesn't say how many partitions it has")),
    }
}

/// A file that was given another one's name is not taken for it.
fn check_number(database: &impl ReadableDatabase, path: &Path, number: u32) -> Result<(), Error> {
    match redb_file::pinned(database, path, NUMBER)?.unwrap_or(u64::from(FIRST)) {
        own if own == u64::from(number) => Ok(()),
        own => Err(Error::corrupt(path, format!("it is file {own} of a log under another name, not file {number}"))),
    }
}

/// First offset, end and last append time of each partition, little-endian.
fn encode(summary: &Summary) -> Vec<u8> {
    let bytes =
        |of: &Bounds| [of.first.to_le_bytes(), of.end.to_le_bytes(), of.last_recorded_at_ms.to_le_bytes()].concat();
    summary.iter().flat_map(bytes).collect()
}

fn decode(bytes: &[u8]) -> Summary {
    let (fields, rest) = bytes.as_chunks::<8>();
    let (partitions, odd) = fields.as_chunks::<3>();
    if !rest.is_empty() || !odd.is_empty() {
        return Summary::new();
    }
    let bounds = |[first, end, time]: &[[u8; 8]; 3]| Bounds {
        first: u64::from_le_bytes(*first),
        end: u64::from_le_bytes(*end),
        last_recorded_at_ms: i64::from_le_bytes(*time),
    };
    partitions.iter().map(bounds).collect()
}
