//! A gap: an own record of intake is missing in the log while later ones stand there.

use std::sync::Arc;

use orderledger_domain::event::EventType;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::worker::partition::PartitionState;
use orderledger_projections::worker::read::Read;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{EventLog, NewRecord, Record};
use tempfile::TempDir;

use crate::harness::{PARTITIONS, Stages, append, copy, deposit, id, outside, records, taken};

/// A log with eight deposits of one user and their answers, the stages ended in order.
fn answered() -> (Arc<MemoryLog>, TempDir) {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    append(&log, (0..8).map(|number| outside(id(number), &deposit("u1", "USD", 1))).collect());
    let stages = Stages::start(&log, dir.path()).unwrap();
    stages.settle(&log);
    stages.stop();
    (log, dir)
}

fn home() -> orderledger_domain::position::TopicPartition {
    outside(id(0), &deposit("u1", "USD", 1)).to
}

/// The same log without the third answer.
fn with_gap(log: &MemoryLog) -> Arc<MemoryLog> {
    copy(log, |partition, record| partition != home() || record.offset != 8 + 2)
}

fn check_heals(log: &Arc<MemoryLog>, whole: &MemoryLog, dir: &std::path::Path) {
    assert!(taken(log, home()).len() <= 2);
    let stages = Stages::start(log, dir).unwrap();
    stages.settle(log);
    assert_eq!(taken(log, home()), taken(whole, home()));
    append(log, vec![outside(id(100), &deposit("u1", "USD", 1))]);
    stages.settle(log);
    let credited = taken(log, home());
    assert!(credited.iter().all(|envelope| envelope.event_type == EventType::AccountCredited));
    assert_eq!(credited.len(), 9);
    let mut view = PartitionState::default();
    for record in records(log, home()) {
        view.take(&Read::new(home(), record, &StreamKey::default())).unwrap();
    }
    assert!(view.has_reached(log.end_offset(home()).unwrap() - 1));
    assert_eq!(log.end_offset(Topic::DeadLetters.at(home().partition)).unwrap(), 0);
}

#[test]
fn a_gap_is_filled_from_zero() {
    let (log, _dir) = answered();
    check_heals(&with_gap(&log), &log, tempfile::tempdir().unwrap().path());
}

#[test]
fn a_first_record_that_was_lost_is_no_sign_of_another_stream_key() {
    let (log, _dir) = answered();
    let gap = copy(&log, |partition, record| partition != home() || record.offset != 8);
    assert_eq!(taken(&gap, home()).len(), 0);
    check_heals(&gap, &log, tempfile::tempdir().unwrap().path());
}

#[test]
fn a_gap_before_what_snapshot_and_mark_say_is_filled_too() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    append(&log, (0..8).map(|number| outside(id(number), &deposit("u1", "USD", 1))).collect());
    log.hold();
    let stages = Stages::start(&log, dir.path()).unwrap();
    while log.waiting() == 0 {
        std::thread::yield_now();
    }
    // The stages end before they read what they wrote: the snapshot expects all eight answers.
    let ending = std::thread::spawn(move || stages.stop());
    std::thread::sleep(std::time::Duration::from_millis(700));
    log.release();
    ending.join().unwrap();
    assert_eq!(log.end_offset(home()).unwrap(), 16);
    let gap = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let mut records = records(&log, home());
    records[10] = records[9].clone();
    for Record { key, value, headers, .. } in records {
        append(&gap, vec![NewRecord { to: home(), key, value, headers }]);
    }
    check_heals(&gap, &log, dir.path());
}
