//! The embedded log: the contract, reopening, crashes and damage.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod gathering;
mod image;
mod opening;
mod restoring;
mod rolling;
mod several;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use orderledger_domain::position::Topic;

use super::files::{numbers, path_of};
use super::*;
use crate::event_log::contract::{append, append_and_wait, check_all, check_reopen, record};
use crate::redb_file::Kind;

const AT: TopicPartition = Topic::Orders.at(0);

fn open(path: &Path, partitions: u32) -> Result<EmbeddedLog, Error> {
    EmbeddedLog::open(path, partitions, EmbeddedOptions::default())
}

/// A log of which every commit but the first begins a new file.
fn open_rolling(path: &Path, partitions: u32) -> Result<EmbeddedLog, Error> {
    EmbeddedLog::open(path, partitions, each_commit_a_file())
}

/// What a release from before files and journals knows.
const AS_BEFORE: Kind = Kind { name: "orderledger log format", format: 1, known: &[1] };

/// Bytes that don't compress.
fn noise(bytes: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(step).collect()
}

/// What goes on in a new file with every commit.
fn each_commit_a_file() -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes: 0, gathered_bytes: 0, ..EmbeddedOptions::default() }
}

/// A log in a directory that is removed when both are dropped.
struct Fresh {
    log: EmbeddedLog,
    _directory: tempfile::TempDir,
}

impl std::ops::Deref for Fresh {
    type Target = EmbeddedLog;

    fn deref(&self) -> &EmbeddedLog {
        &self.log
    }
}

fn fresh(partitions: u32, options: EmbeddedOptions) -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&directory.path().join("log.redb"), partitions, options).unwrap();
    Fresh { log, _directory: directory }
}

/// The contract, each check on a log of its own; their directories stay until all are done.
fn check_contract(options: EmbeddedOptions) {
    let directory = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    check_all(&|partitions| {
        made.set(made.get() + 1);
        let path = directory.path().join(format!("log{}.redb", made.get()));
        Box::new(EmbeddedLog::open(&path, partitions, options.clone()).unwrap())
    });
}

#[test]
fn the_contract_holds() {
    check_contract(EmbeddedOptions::default());
}

#[test]
fn the_contract_holds_when_every_record_is_read_from_the_file() {
    check_contract(EmbeddedOptions { recent_bytes: 0, gathered_bytes: 0, ..EmbeddedOptions::default() });
}

#[test]
fn the_contract_holds_when_only_what_is_in_the_journal_is_in_memory() {
    for gathered_bytes in [1_000, 20_000, 1 << 20] {
        check_contract(EmbeddedOptions { recent_bytes: 0, gathered_bytes, ..EmbeddedOptions::default() });
    }
}

#[test]
fn the_contract_holds_when_every_commit_has_a_file_of_its_own() {
    check_contract(EmbeddedOptions { recent_bytes: 0, ..each_commit_a_file() });
}

#[test]
fn the_contract_holds_with_a_queue_smaller_than_a_batch() {
    check_contract(EmbeddedOptions { queue_bytes: 100, ..EmbeddedOptions::default() });
}

#[test]
fn everything_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    check_reopen(3, &|| Box::new(open(&path, 3).unwrap()));
    let path = directory.path().join("in-many-files.redb");
    check_reopen(3, &|| Box::new(open_rolling(&path, 3).unwrap()));
}

#[test]
fn append_times_never_fall_when_the_clock_does_even_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let now_ms = Arc::new(AtomicI64::new(0));
    for time_ms in [500, 400, 600, 10] {
        let clock = Arc::clone(&now_ms);
        let clock: Clock = Arc::new(move || clock.load(Ordering::Relaxed));
        now_ms.store(time_ms, Ordering::Relaxed);
        let options = EmbeddedOptions { clock, ..each_commit_a_file() };
        let log = EmbeddedLog::open(&path, 1, options).unwrap();
        append_and_wait(&log, vec![record(AT, "u", "x")]);
        let times: Vec<i64> = log.read(AT, 0, 9).unwrap().iter().map(|record| record.recorded_at_ms).collect();
        assert!(times.iter().all(|time| *time >= 500), "{times:?}");
        assert!(times.is_sorted(), "{times:?}");
    }
}

#[test]
fn a_reader_outlives_the_log() {
    let log = fresh(1, EmbeddedOptions::default());
    append_and_wait(&*log, vec![record(AT, "u", "x")]);
    let Fresh { log, _directory } = log;
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
    drop(log);
    assert_eq!(reader.poll(Duration::ZERO).unwrap()[0].records.len(), 1);
}

#[test]
fn a_dead_commit_thread_answers_every_batch_and_refuses_more() {
    let clock: Clock = Arc::new(|| panic!("the clock fell off the wall"));
    let log = fresh(1, EmbeddedOptions { clock, ..EmbeddedOptions::default() });
    let appender = log.appender(AppenderKind::Stage).unwrap();
    let answered = append(&*appender, vec![record(AT, "u", "x")]).recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(answered, Err(Error::Closed { .. })), "{answered:?}");
    while appender.append(vec![record(AT, "u", "x")], Box::new(|_| {})).is_ok() {
        thread::yield_now();
    }
    assert!(log.read(AT, 0, 9).unwrap().is_empty());
}

#[test]
fn a_record_past_the_bound_is_refused_and_one_at_the_bound_is_kept() {
    let log = fresh(1, EmbeddedOptions::default());
    let appender = log.appender(AppenderKind::Client).unwrap();
    let refused = appender.append(vec![record(AT, "u", vec![0; MAX_RECORD_BYTES])], Box::new(|_| {}));
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    append_and_wait(&*log, vec![record(AT, "u", vec![0; MAX_RECORD_BYTES - 1])]);
    assert_eq!(log.read(AT, 0, 1).unwrap()[0].value.as_ref().unwrap().len(), MAX_RECORD_BYTES - 1);
}
