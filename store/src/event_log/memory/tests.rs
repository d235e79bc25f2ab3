//! The log in memory: the contract, and its switches.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicI64, Ordering};

use orderledger_domain::position::Topic;

use super::*;
use crate::event_log::contract::{append, append_and_wait, check_all, record};

const AT: TopicPartition = Topic::Orders.at(0);

#[test]
fn the_contract_holds() {
    check_all(&|partitions| Box::new(MemoryLog::new(partitions).unwrap()));
}

#[test]
fn a_held_batch_is_neither_readable_nor_acknowledged_until_it_is_released() {
    let log = MemoryLog::new(1).unwrap();
    let appender = log.appender(AppenderKind::Stage).unwrap();
    log.hold();
    let waiting: Vec<_> = (0..5).map(|n| append(&*appender, vec![record(AT, "u", n.to_string())])).collect();
    assert_eq!((log.waiting(), log.end_offset(AT).unwrap()), (5, 0));
    assert_eq!(log.release_next(2), 2);
    assert_eq!((log.waiting(), log.end_offset(AT).unwrap()), (3, 2));
    assert_eq!(waiting[1].try_recv().unwrap().unwrap(), [1]);
    assert!(waiting[2].try_recv().is_err());
    assert_eq!(log.release_next_unacknowledged(1), 1);
    assert!(matches!(waiting[2].try_recv().unwrap(), Err(Error::Unavailable { .. })));
    assert_eq!((log.waiting(), log.end_offset(AT).unwrap()), (2, 3));
    assert_eq!(log.lose_waiting(), 2);
    assert!(matches!(waiting[4].try_recv().unwrap(), Err(Error::Unavailable { .. })));
    log.release();
    assert_eq!(append_and_wait(&log, vec![record(AT, "u", "x")]), [3]);
}

#[test]
fn a_log_that_ends_while_holding_answers_every_batch() {
    let log = MemoryLog::new(1).unwrap();
    let appender = log.appender(AppenderKind::Stage).unwrap();
    log.hold();
    let held = append(&*appender, vec![record(AT, "u", "x")]);
    drop(log);
    assert!(matches!(held.try_recv().unwrap(), Err(Error::Closed { .. })));
}

#[test]
fn positions_pass_holes() {
    let log = MemoryLog::new(1).unwrap();
    log.skip_offsets(AT, 7).unwrap();
    let mut reader = log.reader(&[(AT, 0)], ReaderKind::Live).unwrap();
    assert!(reader.poll(Duration::ZERO).unwrap().is_empty());
    assert_eq!(reader.position(AT), 7);
    assert_eq!(append_and_wait(&log, vec![record(AT, "u", "x")]), [7]);
    log.skip_offsets(AT, 2).unwrap();
    assert_eq!(reader.poll(Duration::ZERO).unwrap()[0].records[0].offset, 7);
    assert_eq!((reader.position(AT), log.end_offset(AT).unwrap()), (10, 10));
    assert_eq!(log.read(AT, 3, 5).unwrap()[0].offset, 7);
}

#[test]
fn what_retention_deleted_is_refused() {
    let log = MemoryLog::new(1).unwrap();
    append_and_wait(&log, (0..5).map(|n| record(AT, "u", n.to_string())).collect());
    log.delete_below(AT, 3).unwrap();
    assert_eq!((log.first_offset(AT).unwrap(), log.end_offset(AT).unwrap()), (3, 5));
    assert!(matches!(log.reader(&[(AT, 2)], ReaderKind::Live), Err(Error::Refused { .. })));
    assert_eq!(log.read(AT, 0, 9).unwrap().len(), 2);
}

#[test]
fn append_times_never_fall_when_the_clock_does() {
    let now_ms = Arc::new(AtomicI64::new(500));
    let clock = Arc::clone(&now_ms);
    let log = MemoryLog::with_clock(1, Arc::new(move || clock.load(Ordering::Relaxed))).unwrap();
    for time_ms in [500, 400, 600] {
        now_ms.store(time_ms, Ordering::Relaxed);
        append_and_wait(&log, vec![record(AT, "u", "x")]);
    }
    let times: Vec<i64> = log.read(AT, 0, 9).unwrap().iter().map(|record| record.recorded_at_ms).collect();
    assert_eq!(times, [500, 500, 600]);
}
