//! A redb file of ours: opened with a bounded cache, never a panic, and its errors named by what the caller can do.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition, TableHandle};

use crate::Error;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// Opens or creates a file whose `meta` table holds exactly these pinned numbers; a new file gets them.
/// [`Error::Corrupt`] if it is no redb file or damaged, [`Error::Refused`] if it isn't this kind of file.
pub(crate) fn open(path: &Path, cache_bytes: usize, kind: &'static str) -> Result<Database, Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| Database::builder().set_cache_size(cache_bytes).create(path)));
    checked(path, opened, kind)
}

/// Opens or creates such a file in memory.
#[cfg(feature = "faults")]
pub(crate) fn open_backend(
    path: &Path,
    disk: crate::memory_disk::MemoryDisk,
    kind: &'static str,
) -> Result<Database, Error> {
    const CACHE_BYTES: usize = 1 << 20;
    let open = || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk);
    checked(path, catch_unwind(AssertUnwindSafe(open)), kind)
}

fn checked(
    path: &Path,
    opened: std::thread::Result<Result<Database, redb::DatabaseError>>,
    kind: &'static str,
) -> Result<Database, Error> {
    let database = match opened {
        Ok(result) => result.map_err(|error| storage_error(path, "can't open it", error.into()))?,
        Err(_) => return Err(Error::corrupt(path, "it is damaged: opening it panicked")),
    };
    guarded(path, || check_kind(&database, path, kind))?;
    Ok(database)
}

/// Runs a reading of the file: on damage that redb does not expect it panics, which is [`Error::Corrupt`] here.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result,
        Err(_) => Err(Error::corrupt(path, "it is damaged: reading it panicked")),
    }
}

/// The pinned number of that name, if there is one.
pub(crate) fn pinned(database: &Database, path: &Path, name: &str) -> Result<Option<u64>, Error> {
    let read = || -> Result<Option<u64>, redb::Error> {
        let transaction = database.begin_read()?;
        match transaction.open_table(META) {
            Ok(meta) => Ok(meta.get(name)?.map(|value| value.value())),
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    read().map_err(|error| storage_error(path, "can't read its meta table", error))
}

/// Pins a number for the life of the file.
pub(crate) fn pin(database: &Database, path: &Path, name: &str, value: u64) -> Result<(), Error> {
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(META)?.insert(name, value)?;
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| storage_error(path, "can't write its meta table", error))
}

/// Names a redb error by what the caller can do.
pub(crate) fn storage_error(path: &Path, what: &'static str, error: redb::Error) -> Error {
    match error {
        redb::Error::DatabaseAlreadyOpen => Error::in_use(path),
        redb::Error::Io(ref io) if io.kind() == ErrorKind::InvalidData => {
            Error::corrupt(path, "it is not a file of orderledger, or its head is damaged").with_source(error)
        }
        redb::Error::Io(ref io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::corrupt(path, "it is shorter than it was").with_source(error)
        }
        redb::Error::Corrupted(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => Error::corrupt(path, "it is damaged").with_source(error),
        redb::Error::UpgradeRequired(_) => {
            Error::refused(path, "it was written in an older file format; open it with the release that wrote it")
        }
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            Error::closed(path, "an earlier error closed it").with_source(error)
        }
        _ => Error::unavailable(path, what).with_source(error),
    }
}

fn check_kind(database: &Database, path: &Path, kind: &'static str) -> Result<(), Error> {
    match pinned(database, path, kind)? {
        Some(FORMAT) => Ok(()),
        Some(_) => {
            Err(Error::refused(path, "it was written in another format; open it with the release that wrote it"))
        }
        None if is_empty(database, path)? => pin(database, path, kind, FORMAT),
        None => {
            Err(Error::refused(path, "it is a redb file of something else; move it away or name another directory"))
        }
    }
}

const FORMAT: u64 = 1;

fn is_empty(database: &Database, path: &Path) -> Result<bool, Error> {
    let read = || -> Result<bool, redb::Error> {
        let transaction = database.begin_read()?;
        let foreign = transaction.list_tables()?.any(|table| table.name() != META.name());
        Ok(!foreign && transaction.list_multimap_tables()?.next().is_none())
    };
    read().map_err(|error| storage_error(path, "can't list its tables", error))
}
