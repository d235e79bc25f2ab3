//! What a file that isn't this log says.

use std::fs;

use redb::{Database, TableDefinition};

use super::{AT, append_and_wait, open, record};
use crate::Error;
use crate::event_log::{EmbeddedLog, EventLog};

/// Opens a file of these bytes with two partitions; the kind of error and its text after the path.
fn check_bytes(bytes: &[u8], kind: &str, text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    fs::write(&path, bytes).unwrap();
    let error = open(&path, 2).err().unwrap();
    assert!(format!("{error:?}").starts_with(kind), "{error:?}");
    assert_eq!(error.to_string(), format!("{}: {text}", path.display()));
    assert_eq!(fs::read(&path).unwrap(), bytes, "it was changed");
}

#[test]
fn a_file_that_is_no_log_is_left_alone() {
    let foreign = "it is not a file of orderledger, or its head is damaged";
    check_bytes(b"x", "Corrupt", foreign);
    check_bytes(&b"some text\n".repeat(10_000), "Corrupt", foreign);
    check_bytes(&[0; 100_000], "Corrupt", foreign);
}

#[test]
fn another_partition_count_is_refused_with_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    append_and_wait(&open(&path, 4).unwrap(), vec![record(AT, "u", "x")]);
    let error = open(&path, 5).err().unwrap();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    let text = "it has 4 partitions a topic and can't be opened with 5; use 4, or begin a new log in another directory";
    assert_eq!(error.to_string(), format!("{}: {text}", path.display()));
    assert!(matches!(open(&path, 0), Err(Error::Refused { .. })));
    assert_eq!(open(&path, 4).unwrap().end_offset(AT).unwrap(), 1);
}

#[test]
fn a_redb_file_of_another_program_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let database = Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 1).unwrap();
    write.commit().unwrap();
    drop(database);
    assert!(matches!(open(&path, 4), Err(Error::Refused { .. })));
}

#[test]
fn a_log_that_is_open_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let _open: EmbeddedLog = open(&path, 1).unwrap();
    assert!(matches!(open(&path, 1), Err(Error::InUse { .. })));
}

#[test]
fn a_directory_that_is_not_there_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let error = open(&directory.path().join("missing/log.redb"), 1).err().unwrap();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}
