//! What is in the journal is read like any other record, and a kill, an orderly end and a release without a journal find the log whole.

use std::fs;
use std::path::Path;

use orderledger_domain::position::Topic;

use super::image::{Image, PAGE, image, restored};
use super::{AS_BEFORE, AT, EmbeddedLog, EmbeddedOptions, append_and_wait, numbers, open, record};
use crate::Error;
use crate::event_log::embedded::cut::encoded;
use crate::event_log::embedded::journal::{Journal, Mark};
use crate::event_log::embedded::segment::Newest;
use crate::event_log::embedded::segments::Segments;
use crate::event_log::{EventLog, NewRecord, ReaderKind, Record, contract};
use crate::redb_file;

fn gathering(path: &Path, gathered_bytes: usize, segment_bytes: u64) -> EmbeddedLog {
    let options = EmbeddedOptions { gathered_bytes, segment_bytes, recent_bytes: 0, ..EmbeddedOptions::default() };
    EmbeddedLog::open(path, 2, options).unwrap()
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

/// Opens what a kill left: all these commits, and it goes on.
fn check_killed(image: &Image, commits: usize) {
    let (_directory, path) = restored(image);
    let log = gathering(&path, 6_000, u64::MAX);
    check(&log, commits);
    append_and_wait(&log, commit(commits));
    check(&log, commits + 1);
    drop(log);
    check(&open(&path, 2).unwrap(), commits + 1);
}

#[test]
fn a_kill_at_any_commit_and_an_orderly_end_leave_all_of_it() {
    for (segment_bytes, files) in [(u64::MAX, 1..=1), (0, 4..=12)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.redb");
        let log = gathering(&path, 6_000, segment_bytes);
        let mut before: Option<Image> = None;
        for number in 0..40 {
            check(&log, number);
            append_and_wait(&log, commit(number));
            log.core.placing.wait().unwrap();
            // What is on the disk at this moment is what a kill leaves.
            let after = image(directory.path());
            check_killed(&after, number + 1);
            // And this, before the entries that were handed over come to their places.
            if let Some(mut before) = before {
                let journal = Path::new("log.redb.journal").to_owned();
                before.insert(journal.clone(), after[&journal].clone());
                check_killed(&before, number + 1);
            }
            before = Some(after);
        }
        // What is in its place is no longer held in memory.
        assert!(log.core.tail.recent(AT, 0, 1).is_none());
        drop(log);
        check(&open(&path, 2).unwrap(), 40);
        assert!(files.contains(&numbers(&path).unwrap().len()), "{:?}", numbers(&path).unwrap());
    }
}

#[test]
fn a_release_without_a_journal_refuses_a_file_that_has_one_and_takes_up_one_that_was_closed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 1 << 20, u64::MAX);
    append_and_wait(&log, commit(0));
    let (_killed_directory, killed) = restored(&image(directory.path()));
    let refused = redb_file::open(&killed, 0, AS_BEFORE).err().unwrap();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    drop(log);
    drop(redb_file::open(&path, 0, AS_BEFORE).unwrap());
    // Nothing but to open it after the kill makes it one that such a release can read.
    drop(gathering(&killed, 1 << 20, u64::MAX));
    drop(redb_file::open(&killed, 0, AS_BEFORE).unwrap());
    check(&open(&killed, 2).unwrap(), 1);
}

#[test]
fn a_journal_that_is_missing_damaged_or_of_another_log_or_time_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 1 << 20, u64::MAX);
    (0..3).for_each(|number| drop(append_and_wait(&log, commit(number))));
    (3..5).for_each(|number| drop(append_and_wait(&log, commit(number))));
    let whole = image(directory.path());
    let journal = Path::new("log.redb.journal").to_owned();
    let with = |bytes: Option<Vec<u8>>| {
        let mut image = whole.clone();
        match bytes {
            Some(bytes) => image.insert(journal.clone(), bytes),
            None => image.remove(&journal),
        };
        let (_directory, path) = restored(&image);
        gathering_error(&path)
    };
    assert!(with(None).contains("it is missing"));
    assert!(with(Some(Vec::new())).contains("not the journal"));
    // A copy that was cut behind the first entry.
    assert!(with(Some(whole[&journal][..2 * PAGE].to_vec())).contains("cut"));
    // Two that are torn: one at a time is written.
    let mut damaged = whole[&journal].clone();
    (4..6).for_each(|page| damaged[page * PAGE + 100] ^= 1);
    assert!(with(Some(damaged)).contains("a commit is missing"));
    // Each commit takes a page; without the last of them it is one that was being written.
    for page in 0..5 {
        let mut damaged = whole[&journal].clone();
        damaged[page * PAGE + 100] ^= 1;
        let expected = if page == 0 { "not the journal" } else { "a commit is missing" };
        assert!(with(Some(damaged)).contains(expected), "{page}");
    }
    let other = tempfile::tempdir().unwrap();
    let other_log = gathering(&other.path().join("log.redb"), 1 << 20, u64::MAX);
    append_and_wait(&other_log, commit(0));
    assert!(with(Some(image(other.path())[&journal].clone())).contains("not the journal"));
    // The file of an hour ago beside the journal of now, whose first entries were written over.
    let again = tempfile::tempdir().unwrap();
    let log = gathering(&again.path().join("log.redb"), 6_000, u64::MAX);
    (0..3).for_each(|number| drop(append_and_wait(&log, commit(number))));
    let mut mixed = image(again.path());
    (3..60).for_each(|number| drop(append_and_wait(&log, commit(number))));
    log.core.placing.wait().unwrap();
    mixed.insert(journal.clone(), image(again.path())[&journal].clone());
    let (_mixed_directory, mixed) = restored(&mixed);
    assert!(gathering_error(&mixed).contains("a commit is missing"));
    // The file of before a group that went to its places at once, beside a journal whose entries are of other partitions.
    let again = tempfile::tempdir().unwrap();
    let log = gathering(&again.path().join("log.redb"), 6_000, u64::MAX);
    append_and_wait(&log, commit(0));
    let mut mixed = image(again.path());
    append_and_wait(&log, vec![record(Topic::Books.at(1), "S", vec![7; 5_000])]);
    append_and_wait(&log, commit(1));
    mixed.insert(journal.clone(), image(again.path())[&journal].clone());
    let (_mixed_directory, mixed) = restored(&mixed);
    assert!(gathering_error(&mixed).contains("a commit is missing"));
    // Whole in itself, and begun where that file's records don't end.
    let mut begun = Journal::begin(&path, 1 << 16).unwrap();
    let next = Record { offset: 7, recorded_at_ms: 7, key: None, value: None, headers: Vec::new() };
    assert!(begun.append(&[encoded(AT, &[next]).unwrap()]).unwrap());
    drop(log);
    let (_other_directory, other) = restored(&image(other.path()));
    drop(open(&other, 2).unwrap());
    Newest::open(&other, 1, 2, 1 << 20).unwrap().write(&[], Some(Mark { placed: 0, ..begun.mark() })).unwrap();
    fs::copy(directory.path().join(&journal), other.with_file_name(&journal)).unwrap();
    assert!(gathering_error(&other).contains("it doesn't go on where the log's files end"));
}

fn gathering_error(path: &Path) -> String {
    match open(path, 2) {
        Err(error @ Error::Corrupt { .. }) => error.to_string(),
        Err(error) => panic!("{error:?}"),
        Ok(log) => panic!("it opened with {}", log.end_offset(AT).unwrap()),
    }
}

#[test]
fn an_empty_batch_leaves_nothing_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 1 << 20, u64::MAX);
    append_and_wait(&log, Vec::new());
    drop(log);
    drop(redb_file::open(&path, 0, AS_BEFORE).unwrap());
}

#[test]
fn who_reads_the_file_sees_nothing_beyond_the_end_while_more_is_put_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = gathering(&path, 6_000, u64::MAX);
    // Beyond what a reader is given, whatever batch holds it.
    (0..60).for_each(|number| drop(append_and_wait(&log, commit(number))));
    drop(log);
    let segments = Segments::open(&path, 2, u64::MAX, 1 << 20).unwrap();
    for end in 0..60 {
        let read = segments.records(AT, 0, end, usize::MAX, usize::MAX).unwrap();
        assert!(read.iter().map(|record| record.offset).eq(0..end), "{end}");
    }
    drop(segments);
    let log = gathering(&path, 6_000, u64::MAX);
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
