//! A redb file of ours: opened with a bounded cache, never a panic, and its errors named by what the caller can do.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadableDatabase, TableDefinition, TableHandle, WriteTransaction,
};

use crate::Error;

const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// What a file is: the name of a number in its `meta` table, and which numbers this program can read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The number's name.
    pub(crate) name: &'static str,
    /// What a new file gets.
    pub(crate) format: u64,
    /// What a file may have.
    pub(crate) known: &'static [u64],
}

/// Opens or creates a file of this kind. [`Error::Corrupt`] if it is no redb file or damaged, [`Error::Refused`] if it
/// isn't this kind of file.
pub(crate) fn open(path: &Path, cache_bytes: usize, kind: Kind) -> Result<Database, Error> {
    let opened = catch_unwind(AssertUnwindSafe(|| Database::builder().set_cache_size(cache_bytes).create(path)));
    checked(path, opened, kind)
}

/// Opens or creates such a file in memory.
#[cfg(feature = "faults")]
pub(crate) fn open_backend(path: &Path, disk: crate::memory_disk::MemoryDisk, kind: Kind) -> Result<Database, Error> {
    const CACHE_BYTES: usize = 1 << 20;
    let open = || Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk);
    checked(path, catch_unwind(AssertUnwindSafe(open)), kind)
}

/// Opens a file that is written no more. Where a kill came before its orderly end, that is done first.
pub(crate) fn open_read_only(path: &Path, cache_bytes: usize, kind: Kind) -> Result<ReadOnlyDatabase, Error> {
    let builder = || {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        builder
    };
    let open = || match builder().open_read_only(path) {
        Err(DatabaseError::RepairAborted) => {
            builder().open(path)?.close()?;
            builder().open_read_only(path)
        }
        opened => opened,
    };
    let database = sound(path, catch_unwind(AssertUnwindSafe(open)))?;
    match guarded(path, || format_of(&database, path, kind))? {
        Some(_) => Ok(database),
        None => Err(foreign(path)),
    }
}

fn checked(
    path: &Path,
    opened: std::thread::Result<Result<Database, DatabaseError>>,
    kind: Kind,
) -> Result<Database, Error> {
    let database = sound(path, opened)?;
    guarded(path, || check_kind(&database, path, kind))?;
    Ok(database)
}

fn sound<T>(path: &Path, opened: std::thread::Result<Result<T, DatabaseError>>) -> Result<T, Error> {
    match opened {
        Ok(result) => result.map_err(|error| storage_error(path, "can't open it", error.into())),
        Err(_) => Err(Error::corrupt(path, "it is damaged: opening it panicked")),
    }
}

/// Runs a reading of the file: on damage that redb does not expect it panics, which is [`Error::Corrupt`] here.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result,
        Err(_) => Err(Error::corrupt(path, "it is damaged: reading it panicked")),
    }
}

/// The pinned number of that name, if there is one.
pub(crate) fn pinned(database: &impl ReadableDatabase, path: &Path, name: &str) -> Result<Option<u64>, Error> {
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
        pin_in(&transaction, name, value)?;
        transaction.commit()?;
        Ok(())
    };
    write().map_err(|error| storage_error(path, "can't write its meta table", error))
}

/// Pins a number together with what else this transaction writes.
pub(crate) fn pin_in(transaction: &WriteTransaction, name: &str, value: u64) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert(name, value)?;
    Ok(())
}

/// Pins numbers in the last commit of a file: opening it reads nothing twice, even if its orderly end never comes.
pub(crate) fn pin_last(database: &Database, path: &Path, numbers: &[(&str, u64)]) -> Result<(), Error> {
    let write = || -> Result<(), redb::Error> {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        let mut meta = transaction.open_table(META)?;
        for (name, value) in numbers {
            meta.insert(name, value)?;
        }
        drop(meta);
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

fn check_kind(database: &Database, path: &Path, kind: Kind) -> Result<(), Error> {
    match format_of(database, path, kind)? {
        Some(_) => Ok(()),
        None if is_empty(database, path)? => pin(database, path, kind.name, kind.format),
        None => Err(foreign(path)),
    }
}

/// Which of the known formats it has; `None` if it is nothing of ours yet.
fn format_of(database: &impl ReadableDatabase, path: &Path, kind: Kind) -> Result<Option<u64>, Error> {
    match pinned(database, path, kind.name)? {
        Some(format) if !kind.known.contains(&format) => {
            Err(Error::refused(path, "it was written in another format; open it with the release that wrote it"))
        }
        format => Ok(format),
    }
}

fn foreign(path: &Path) -> Error {
    Error::refused(path, "it is a redb file of something else; move it away or name another directory")
}

fn is_empty(database: &Database, path: &Path) -> Result<bool, Error> {
    let read = || -> Result<bool, redb::Error> {
        let transaction = database.begin_read()?;
        let foreign = transaction.list_tables()?.any(|table| table.name() != META.name());
        Ok(!foreign && transaction.list_multimap_tables()?.next().is_none())
    };
    read().map_err(|error| storage_error(path, "can't list its tables", error))
}
