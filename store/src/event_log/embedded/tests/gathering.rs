//! What is in the journal is read like any other record, and a kill, an orderly end and a release without a journal find the log whole.

use std::fs;
use std::path::Path;

use orderledger_domain::position::Topic;
use redb::{ReadOnlyDatabase, ReadableDatabase, TableHandle};

use super::{AS_BEFORE, AT, EmbeddedLog, EmbeddedOptions, append_and_wait, noise, numbers, open, record};
use crate::Error;
use crate::event_log::embedded::cut::encoded;
use crate::event_log::embedded::journal::JOURNAL;
use crate::event_log::embedded::segments::Segments;
use crate::event_log::{EventLog, NewRecord, ReaderKind, Record, contract};
use crate::redb_file;

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
fn an_empty_batch_leaves_nothing_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 1 << 20);
    append_and_wait(&log, Vec::new());
    drop(log);
    drop(redb_file::open(&path, 0, AS_BEFORE).unwrap());
}

#[test]
fn who_reads_the_file_sees_nothing_beyond_the_end_while_more_is_put_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 6_000);
    // Beyond what a reader is given, whatever batch holds it.
    (0..60).for_each(|number| drop(append_and_wait(&log, commit(number))));
    drop(log);
    let segments = Segments::open(&path, 2, u64::MAX, 1 << 20).unwrap();
    for end in 0..60 {
        let read = segments.records(AT, 0, end, usize::MAX, usize::MAX).unwrap();
        assert!(read.iter().map(|record| record.offset).eq(0..end), "{end}");
    }
    drop(segments);
    let log = gathering(&path, 6_000);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = log.reader(&[(AT, 0)], ReaderKind::Rebuild).unwrap();
                while reader.position(AT) < 400 {
                    reader.poll(std::time::Duration::from_secs(10)).unwrap();
                    let position = reader.position(AT);
                    assert!(position <= log.end_offset(AT).unwrap(), "{position}");
                }
            });
        }
        (60..400).for_each(|number| drop(append_and_wait(&log, commit(number))));
    });
    check(&log, 400);
}

/// A start puts the newest file's journal in its place and no other: a row in a file before it would be lost in a kill.
#[test]
fn a_file_with_a_journal_is_not_left_however_long_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let segments = Segments::open(&path, 2, 4 << 20, 1 << 20).unwrap();
    let batch = |offset: u64| {
        let value = Some(noise(100_000, offset as u32).into());
        encoded(AT, &[Record { offset, recorded_at_ms: 7, key: None, value, headers: Vec::new() }]).unwrap()
    };
    segments.write(&[batch(0)]).unwrap();
    (1..80).for_each(|offset| segments.gather(&[batch(offset)]).unwrap());
    assert!(fs::metadata(&path).unwrap().len() > 4 << 20);
    assert_eq!(numbers(&path).unwrap(), [1]);
    let killed = directory.path().join("killed.redb");
    fs::copy(&path, &killed).unwrap();
    assert_eq!(open(&killed, 2).unwrap().end_offset(AT).unwrap(), 80);
    segments.write(&(1..80).map(batch).collect::<Vec<_>>()).unwrap();
    segments.gather(&[batch(80)]).unwrap();
    assert_eq!(numbers(&path).unwrap(), [1, 2]);
    drop(segments);
    let reading = ReadOnlyDatabase::open(&path).unwrap().begin_read().unwrap();
    assert!(reading.list_tables().unwrap().all(|table| table.name() != JOURNAL.name()));
    assert_eq!(open(&path, 2).unwrap().end_offset(AT).unwrap(), 81);
}
