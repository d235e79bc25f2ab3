//! What is in the journal is read like any other record, and a kill, an orderly end and a release without a journal find the log whole.

use std::fs;
use std::path::Path;

use orderledger_domain::position::Topic;
use redb::{ReadOnlyDatabase, ReadableDatabase, TableHandle};

use super::{AT, EmbeddedLog, EmbeddedOptions, append_and_wait, numbers, open, path_of, record};
use crate::Error;
use crate::event_log::embedded::journal::JOURNAL;
use crate::event_log::{EventLog, NewRecord, ReaderKind, contract};
use crate::redb_file::{self, Kind};

/// What a release before knows.
const AS_BEFORE: Kind = Kind { name: "orderledger log format", format: 1, known: &[1] };

fn gathering(path: &Path, gathered_bytes: usize) -> EmbeddedLog {
    EmbeddedLog::open(path, 2, EmbeddedOptions { gathered_bytes, recent_bytes: 0, ..EmbeddedOptions::default() })
        .unwrap()
}

/// One commit: a record for each of three partitions.
fn commit(number: usize) -> Vec<NewRecord> {
    let value = |topic: &str| format!("{topic} {number} ").repeat(20);
    vec![
        record(AT, "u", value("order")),
        record(Topic::Trades.at(1), "S", value("trade")),
        record(Topic::Books.at(0), "S", value("book")),
    ]
}

fn check(log: &EmbeddedLog, commits: usize) {
    for (number, at) in [AT, Topic::Trades.at(1), Topic::Books.at(0)].into_iter().enumerate() {
        let expected: Vec<_> = (0..commits).map(|commit_number| commit(commit_number).remove(number).value).collect();
        let read = log.read(at, 0, 100_000).unwrap();
        assert_eq!(read.iter().map(|record| record.value.clone()).collect::<Vec<_>>(), expected, "{at}");
        assert!(read.iter().map(|record| record.offset).eq(0..commits as u64), "{at}");
        let end = log.end_offset(at).unwrap();
        assert_eq!(end, commits as u64);
        let mut reader = log.reader(&[(at, 0)], ReaderKind::Rebuild).unwrap();
        if commits > 0 {
            assert_eq!(contract::read_up_to(&mut *reader, &[(at, end)]).remove(&at).unwrap(), read, "{at}");
            let half = commits / 2;
            assert_eq!(log.read(at, half as u64, 1).unwrap(), read[half..=half], "{at}");
        }
    }
}

#[test]
fn a_kill_at_any_commit_and_an_orderly_end_leave_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, killed) = (directory.path().join("log.redb"), directory.path().join("killed.redb"));
    let log = gathering(&path, 6_000);
    for number in 0..40 {
        check(&log, number);
        append_and_wait(&log, commit(number));
        // What is on the disk at this moment is what a kill leaves.
        fs::copy(&path, &killed).unwrap();
        let again = gathering(&killed, 6_000);
        check(&again, number + 1);
        append_and_wait(&again, commit(number + 1));
        check(&again, number + 2);
        drop(again);
        check(&open(&killed, 2).unwrap(), number + 2);
    }
    drop(log);
    check(&open(&path, 2).unwrap(), 40);
}

#[test]
fn a_release_without_a_journal_refuses_a_file_that_has_one_and_takes_up_one_that_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, killed) = (directory.path().join("log.redb"), directory.path().join("killed.redb"));
    let log = gathering(&path, 1 << 20);
    append_and_wait(&log, commit(0));
    fs::copy(&path, &killed).unwrap();
    let refused = redb_file::open(&killed, 0, AS_BEFORE).err().unwrap();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    drop(log);
    drop(redb_file::open(&path, 0, AS_BEFORE).unwrap());
    // Nothing but to open it after the kill makes it one that such a release can read.
    drop(gathering(&killed, 1 << 20));
    drop(redb_file::open(&killed, 0, AS_BEFORE).unwrap());
    check(&open(&killed, 2).unwrap(), 1);
}

#[test]
fn a_file_is_sealed_with_nothing_in_its_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let options = EmbeddedOptions { segment_bytes: 0, gathered_bytes: 3_000, ..EmbeddedOptions::default() };
    let log = EmbeddedLog::open(&path, 2, options).unwrap();
    for number in 0..60 {
        append_and_wait(&log, commit(number));
        check(&log, number + 1);
    }
    let files = numbers(&path).unwrap();
    assert!((5..60).contains(&files.len()), "{files:?}");
    drop(log);
    for number in files {
        let reading = ReadOnlyDatabase::open(path_of(&path, number)).unwrap().begin_read().unwrap();
        let mut tables = reading.list_tables().unwrap();
        assert!(tables.all(|table| table.name() != JOURNAL.name()), "{number}");
    }
    check(&open(&path, 2).unwrap(), 60);
}
