//! A log that lies in several files is one log, and each file is in its place and as it was sealed.

use std::fs;
use std::path::{Path, PathBuf};

use orderledger_domain::position::Topic;

use super::{
    AS_BEFORE, AT, EmbeddedLog, EmbeddedOptions, append_and_wait, each_commit_a_file, noise, numbers, open,
    open_rolling, path_of, record,
};
use crate::Error;
use crate::error::At;
use crate::event_log::embedded::segment::Newest;
use crate::event_log::embedded::segments::Segments;
use crate::event_log::{EventLog, ReaderKind, contract};
use crate::redb_file;

/// A closed log of so many files with one record each, and its directory.
fn rolled(files: u32) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = open_rolling(&path, 2).unwrap();
    (1..=files).for_each(|number| drop(append_and_wait(&log, vec![record(AT, "u", number.to_string())])));
    drop(log);
    assert_eq!(numbers(&path).unwrap(), (1..=files).collect::<Vec<_>>());
    (directory, path)
}

fn values(log: &EmbeddedLog) -> Vec<String> {
    let values = log.read(AT, 0, 100_000).unwrap().into_iter().map(|record| record.value.unwrap().to_vec());
    values.map(|value| String::from_utf8(value).unwrap()).collect()
}

fn expected(records: u32) -> Vec<String> {
    (1..=records).map(|number| number.to_string()).collect()
}

fn check_corrupt(log: &Path, file: u32, text: &str) {
    let text = format!("{}: {text}", path_of(log, file).display());
    match open(log, 2) {
        Err(error) => assert!(matches!(error, Error::Corrupt { .. }) && error.to_string() == text, "{error:?}"),
        // Found by a reader it is told as the log's, where it was read: a file could be that of a view.
        Ok(log) => {
            let error = log.read(AT, 0, 100_000).unwrap_err();
            assert!(matches!(error, Error::Corrupt { at: At::Position(_), .. }), "{error:?}");
            assert!(error.to_string().starts_with("orders-0@") && error.to_string().ends_with(&text), "{error}");
        }
    }
}

#[test]
fn a_log_of_one_file_is_taken_up_as_it_is_and_sealed_when_it_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = EmbeddedLog::open(&path, 2, EmbeddedOptions { segment_bytes: u64::MAX, ..EmbeddedOptions::default() });
    (1..=3).for_each(|number| drop(append_and_wait(log.as_ref().unwrap(), vec![record(AT, "u", number.to_string())])));
    drop(log);
    // To look at it changes nothing: the release before can still go on with it.
    assert_eq!(values(&open_rolling(&path, 2).unwrap()), expected(3));
    drop(redb_file::open(&path, 0, AS_BEFORE).unwrap());
    append_and_wait(&open_rolling(&path, 2).unwrap(), vec![record(AT, "u", "4")]);
    assert_eq!(numbers(&path).unwrap(), [1, 2]);
    assert_eq!(values(&open(&path, 2).unwrap()), expected(4));
    let refused = redb_file::open(&path, 0, AS_BEFORE).err().unwrap();
    let text = "it was written in another format; open it with the release that wrote it";
    assert_eq!(refused.to_string(), format!("{}: {text}", path.display()));
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
}

#[test]
fn a_file_goes_on_until_it_is_too_long() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let options = EmbeddedOptions { segment_bytes: 4 << 20, gathered_bytes: 0, ..EmbeddedOptions::default() };
    let log = EmbeddedLog::open(&path, 2, options).unwrap();
    let mut written = 0;
    while numbers(&path).unwrap().len() < 4 {
        written += 1;
        append_and_wait(&log, vec![record(AT, "u", noise(100_000, written))]);
    }
    assert!((60..=130).contains(&written), "three files of 2 to 4 MiB hold {written} records of 100 kB");
    drop(log);
    for number in 1..=3 {
        let length = fs::metadata(path_of(&path, number)).unwrap().len();
        assert!((2 << 20..=5 << 20).contains(&length), "{length}");
    }
    assert_eq!(open(&path, 2).unwrap().read(AT, 0, 1_000).unwrap().len(), written as usize);
}

#[test]
fn a_file_that_no_other_can_follow_goes_on() {
    let (_directory, path) = rolled(2);
    let log = open_rolling(&path, 2).unwrap();
    // In the way of the next one's name.
    fs::create_dir_all(path_of(&path, 3).join("in the way")).unwrap();
    (3..=5).for_each(|number| drop(append_and_wait(&log, vec![record(AT, "u", number.to_string())])));
    assert_eq!(values(&log), expected(5));
    fs::remove_dir_all(path_of(&path, 3)).unwrap();
    // It is longer by now, so a commit tries again.
    append_and_wait(&log, vec![record(Topic::Orders.at(1), "u", noise(4 << 20, 1))]);
    (6..=7).for_each(|number| drop(append_and_wait(&log, vec![record(AT, "u", number.to_string())])));
    drop(log);
    assert!(numbers(&path).unwrap().len() > 2);
    assert_eq!(values(&open(&path, 2).unwrap()), expected(7));
}

#[test]
fn a_missing_file_is_named() {
    for (missing, text) in [
        (1, "it is missing, and the log has files behind it"),
        (2, "it is missing, and the log has files behind it"),
        (3, "it is missing, and the log goes on in it"),
    ] {
        let (_directory, path) = rolled(3);
        fs::remove_file(path_of(&path, missing)).unwrap();
        check_corrupt(&path, missing, text);
    }
}

#[test]
fn a_file_of_another_place_or_time_or_log_is_not_taken_for_the_one_that_was_sealed() {
    let (_directory, path) = rolled(4);
    fs::copy(path_of(&path, 3), path_of(&path, 2)).unwrap();
    check_corrupt(&path, 2, "it is file 3 of a log under another name, not file 2");

    let (_directory, path) = rolled(2);
    let before = fs::read(path_of(&path, 2)).unwrap();
    drop(append_and_wait(&open_rolling(&path, 2).unwrap(), vec![record(AT, "u", "3")]));
    fs::write(path_of(&path, 2), before).unwrap();
    check_corrupt(&path, 2, "it is an older state of itself, from before the log went on in the next file");

    let (_directory, path) = rolled(2);
    let before = fs::read(path_of(&path, 2)).unwrap();
    let options = EmbeddedOptions { segment_bytes: u64::MAX, ..EmbeddedOptions::default() };
    drop(append_and_wait(&EmbeddedLog::open(&path, 2, options).unwrap(), vec![record(AT, "u", "3")]));
    // As after a kill before the first record of the next file.
    let held = Segments::open(&path, 2, u64::MAX, 1 << 20).unwrap().bounds().unwrap();
    let newest = Newest::open(&path, 2, 2, 1 << 20).unwrap();
    let mut earlier = newest.earlier(held.len()).unwrap();
    earlier.push(held);
    drop(Newest::create(&path, 3, 2, 1 << 20, &earlier, None).unwrap());
    newest.seal().unwrap();
    drop(newest);
    fs::write(path_of(&path, 2), before).unwrap();
    check_corrupt(&path, 2, "it is an older state of itself, from before the log went on in the next file");
    assert_eq!(numbers(&path).unwrap(), [1, 2, 3]);

    let (_directory, path) = rolled(3);
    let (_other_directory, other) = rolled(1);
    let log = open(&other, 2).unwrap();
    (0..2).for_each(|_| drop(append_and_wait(&log, vec![record(AT, "u", "x")])));
    drop(log);
    drop(append_and_wait(&open_rolling(&other, 2).unwrap(), vec![record(AT, "u", "x")]));
    fs::copy(&other, &path).unwrap();
    check_corrupt(&path, 1, "it doesn't hold what the log had of orders-0 in it");
    fs::copy(&other, path_of(&path, 3)).unwrap();
    assert!(matches!(open(&path, 2), Err(Error::Corrupt { .. })));
}

#[test]
fn a_long_log_opens_its_newest_file_alone_and_has_few_open_when_it_is_read() {
    let (directory, path) = rolled(60);
    let opened = || {
        let links = fs::read_dir("/proc/self/fd").unwrap().map(|entry| fs::read_link(entry.unwrap().path()));
        links.filter(|target| target.as_ref().is_ok_and(|target| target.starts_with(directory.path()))).count()
    };
    let log = open(&path, 2).unwrap();
    assert_eq!(opened(), 1);
    assert_eq!(values(&log), expected(60));
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Rebuild).unwrap();
    assert_eq!(contract::read_up_to(&mut *reader, &[(AT, 60)])[&AT].len(), 60);
    assert!((2..=18).contains(&opened()), "{}", opened());
    assert_eq!(log.appended_at(AT, 0).unwrap(), Some(log.read(AT, 0, 1).unwrap()[0].recorded_at_ms));
    assert_eq!((log.first_offset(AT).unwrap(), log.end_offset(AT).unwrap()), (0, 60));
}

#[test]
fn readers_go_on_while_files_are_sealed_beneath_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { recent_bytes: 0, ..each_commit_a_file() };
    let log = EmbeddedLog::open(&directory.path().join("log.redb"), 2, options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
                let read = contract::read_up_to(&mut *reader, &[(AT, 40)]).remove(&AT).unwrap();
                assert!(read.iter().map(|record| record.offset).eq(0..40));
            });
        }
        (0..40).for_each(|_| drop(append_and_wait(&log, vec![record(AT, "u", "x")])));
    });
}
