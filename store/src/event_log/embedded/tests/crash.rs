//! A crash at any moment leaves the last complete commit.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::image::{Image, PAGE, image, restored, torn};
use super::{AT, EmbeddedLog, EmbeddedOptions, append_and_wait, numbers, open, open_rolling, path_of, record};
use crate::Error;
use crate::event_log::contract::append;
use crate::event_log::{AppenderKind, EventLog, NewRecord, Record};

/// The pages that say which commit is the last.
const HEAD_PAGES: usize = 1;

fn batch(round: u32) -> Vec<NewRecord> {
    (0..200).map(|n| record(AT, "u", format!("{round} {n} ").repeat(20))).collect()
}

/// The files as a crash after `rounds` commits leaves them, and after one more.
fn images(rounds: u32, gathered_bytes: usize) -> (Image, Image) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = EmbeddedLog::open(&path, 2, EmbeddedOptions { gathered_bytes, ..EmbeddedOptions::default() }).unwrap();
    (0..rounds).for_each(|round| drop(append_and_wait(&log, batch(round))));
    log.core.placing.wait().unwrap();
    let before = image(directory.path());
    append_and_wait(&log, batch(rounds));
    log.core.placing.wait().unwrap();
    (before, image(directory.path()))
}

/// Opens a crashed log: it must hold exactly `rounds` commits and take more.
fn check_image(image: &Image, rounds: u32, what: &str) {
    let (_directory, path) = restored(image);
    let log = open(&path, 2).unwrap_or_else(|error| panic!("{what}: {error} {error:?}"));
    let values = |log: &EmbeddedLog| -> Vec<Option<bytes::Bytes>> {
        log.read(AT, 0, 100_000).unwrap().into_iter().map(|record| record.value).collect()
    };
    let expected = |rounds| (0..rounds).flat_map(batch).map(|record| record.value).collect::<Vec<_>>();
    assert_eq!(values(&log), expected(rounds), "{what}");
    append_and_wait(&log, batch(rounds));
    assert_eq!(values(&log), expected(rounds + 1), "{what}");
}

/// Every commit in its place at once, and six of seven in the journal until the seventh hands them over.
#[test]
fn a_torn_commit_opens_to_the_one_before() {
    let (log, journal) = (Path::new("log.redb"), Path::new("log.redb.journal"));
    for (rounds, gathered_bytes) in (1..16).map(|rounds| (rounds, 200_000)).chain([(1, 0), (2, 0), (20, 0)]) {
        let (before, after) = images(rounds, gathered_bytes);
        check_image(&before, rounds, "before");
        check_image(&after, rounds + 1, "after");
        let in_the_journal = gathered_bytes > 0 && before[journal] != after[journal];
        assert_eq!(in_the_journal, gathered_bytes > 0);
        for torn_log in torn(&before[log], &after[log]) {
            let mut image = after.clone();
            image.insert(log.to_owned(), torn_log);
            // What is in the journal is not in need of its place.
            check_image(&image, if in_the_journal { rounds + 1 } else { rounds }, "the log's file is torn");
            if in_the_journal {
                let [_, garbage] = torn(&before[journal], &after[journal]);
                image.insert(journal.to_owned(), garbage);
                check_image(&image, rounds, "both are torn");
            }
        }
        if in_the_journal {
            let [_, garbage] = torn(&before[journal], &after[journal]);
            check_image(
                &after
                    .iter()
                    .map(|(name, bytes)| (name.clone(), if name == journal { garbage.clone() } else { bytes.clone() }))
                    .collect(),
                rounds,
                "the journal is torn",
            );
        }
    }
}

#[test]
fn a_log_that_lost_its_end_is_corrupt_and_never_a_panic() {
    let (_, mut image) = images(20, 200_000);
    let whole = image[Path::new("log.redb")].clone();
    for part in [0.05, 0.3, 0.5, 0.9] {
        let length = (whole.len() as f64 * part) as usize;
        image.insert("log.redb".into(), whole[..length].to_vec());
        let (_directory, path) = restored(&image);
        let opened = open(&path, 2).and_then(|log| log.read(AT, 0, 100_000));
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{part}: {opened:?}");
    }
}

/// A file that was closed in order, then damaged on the disk: an error when opened or when read, or nothing lost.
#[test]
fn damage_after_an_orderly_close_is_found_and_never_a_panic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let log = open(&path, 2).unwrap();
    (0..20).for_each(|round| drop(append_and_wait(&log, batch(round))));
    let whole = log.read(AT, 0, 100_000).unwrap();
    drop(log);
    check_damage(&path, &path, &whole);
    // The same file as one that the log has gone on behind.
    let log = open_rolling(&path, 2).unwrap();
    append_and_wait(&log, batch(20));
    let whole = log.read(AT, 0, 100_000).unwrap();
    drop(log);
    assert_eq!(numbers(&path).unwrap(), [1, 2]);
    check_damage(&path, &path, &whole);
    check_damage(&path, &path_of(&path, 2), &whole);
}

/// Damages each page of a file of the log, and cuts it there.
fn check_damage(log: &Path, file: &Path, whole: &[Record]) {
    let image = fs::read(file).unwrap();
    let mut found = 0;
    for page in HEAD_PAGES..image.len() / PAGE {
        let mut damaged = image.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0x5a);
        for bytes in [&damaged[..], &image[..page * PAGE]] {
            fs::write(file, bytes).unwrap();
            match open(log, 2).and_then(|log| log.read(AT, 0, 100_000)) {
                Ok(records) => assert_eq!(records, whole, "{page}"),
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt { .. }), "{page}: {error:?}");
                    found += 1;
                }
            }
        }
    }
    assert!(found > image.len() / PAGE, "{found}");
    fs::write(file, image).unwrap();
}

/// The child's half: appends for ever and tells every acknowledged offset.
#[test]
#[ignore = "run by a_killed_process_keeps_all_that_was_acknowledged"]
fn child_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os("ORDERLEDGER_TEST_LOG") else { return };
    let segment_bytes = std::env::var("ORDERLEDGER_TEST_SEGMENT_BYTES").unwrap().parse().unwrap();
    let gathered_bytes = std::env::var("ORDERLEDGER_TEST_GATHERED_BYTES").unwrap().parse().unwrap();
    let options = EmbeddedOptions { segment_bytes, gathered_bytes, ..EmbeddedOptions::default() };
    let log = EmbeddedLog::open(path.as_ref(), 1, options).unwrap();
    let appender = log.appender(AppenderKind::Stage).unwrap();
    let mut waiting = std::collections::VecDeque::new();
    for number in log.end_offset(AT).unwrap().. {
        waiting.push_back(append(&*appender, vec![record(AT, "u", number.to_string())]));
        if waiting.len() > 20 {
            let offsets = waiting.pop_front().unwrap().recv().unwrap().unwrap();
            writeln!(std::io::stdout(), "acknowledged {}", offsets[0]).unwrap();
        }
    }
}

#[test]
fn a_killed_process_keeps_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    check_kills(&directory.path().join("log.redb"), 3, u64::MAX, 2_000);
    for gathered_bytes in [0, 500] {
        let path = directory.path().join(format!("in-many-files-{gathered_bytes}.redb"));
        check_kills(&path, 6, 0, gathered_bytes);
        assert!(numbers(&path).unwrap().len() > 20);
    }
}

fn check_kills(path: &Path, kills: usize, segment_bytes: u64, gathered_bytes: usize) {
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("event_log::embedded::tests::crash::child_appends_until_it_is_killed")
            .env("ORDERLEDGER_TEST_LOG", path)
            .env("ORDERLEDGER_TEST_SEGMENT_BYTES", segment_bytes.to_string())
            .env("ORDERLEDGER_TEST_GATHERED_BYTES", gathered_bytes.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(|at| at.parse::<u64>().unwrap()));
        let acknowledged = told.take(300).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let log = open(path, 1).unwrap();
        let records = log.read(AT, 0, 1_000_000).unwrap();
        assert!(records.len() as u64 > acknowledged, "{} of {acknowledged}", records.len());
        for (number, record) in records.iter().enumerate() {
            assert_eq!(record.offset, number as u64);
            assert_eq!(record.value.as_deref(), Some(number.to_string().as_bytes()));
        }
    }
}
