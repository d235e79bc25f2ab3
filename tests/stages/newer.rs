//! A valid record of a stream that this program can't know: a newer program wrote it.

use std::sync::Arc;

use orderledger_domain::event::{Event, RulesVersion};
use orderledger_domain::position::Topic;
use orderledger_domain::terms::Side;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{EventLog, NewRecord, Record};

use crate::harness::{PARTITIONS, Stages, append, deposit, id, limit, outside, whole};

/// A log of a deposit and an order, where `from` is replaced by `to` in the last record of that topic.
fn rewritten(topic: Topic, from: &str, to: &str) -> Arc<MemoryLog> {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("u1", "USD", 1_000))]);
    append(&log, vec![outside(id(1), &limit("u1", "b1", Side::Buy, 1, 10_000))]);
    stages.settle(&log);
    stages.stop();
    let newer = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    for (partition, records) in whole(&log) {
        let last = records.len().saturating_sub(1);
        for (place, Record { key, value, headers, .. }) in records.into_iter().enumerate() {
            let text = String::from_utf8(value.unwrap().to_vec()).unwrap();
            let text = if partition.topic == topic && place == last { text.replace(from, to) } else { text };
            append(&newer, vec![NewRecord { to: partition, key, value: Some(text.into_bytes().into()), headers }]);
        }
    }
    newer
}

/// A log with a change of the rules, in `books` to a version that this program doesn't know: a newer one wrote it.
fn with_newer_rules() -> Arc<MemoryLog> {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &Event::RulesVersionRequested(RulesVersion { rules_version: 2 }))]);
    stages.settle(&log);
    stages.stop();
    let newer = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    for (partition, records) in whole(&log) {
        for Record { key, value, headers, .. } in records {
            let text = String::from_utf8(value.unwrap().to_vec()).unwrap();
            let is_set = partition.topic == Topic::Books && text.contains("RulesVersionSet");
            let text = if is_set { text.replace("\"rulesVersion\":2", "\"rulesVersion\":77") } else { text };
            append(&newer, vec![NewRecord { to: partition, key, value: Some(text.into_bytes().into()), headers }]);
        }
    }
    newer
}

#[test]
fn matching_halts_at_rules_that_this_program_does_not_know() {
    let why = check_halts(&with_newer_rules(), Topic::Books);
    assert!(why.contains("this program knows the rules' versions 1 to 4, not 77"), "{why}");
}

fn check_halts(log: &Arc<MemoryLog>, of: Topic) -> String {
    let ends = || (0..PARTITIONS).map(|partition| log.end_offset(Topic::Orders.at(partition)).unwrap()).sum::<u64>();
    let (before, dir) = (ends(), tempfile::tempdir().unwrap());
    let stages = Stages::start(log, dir.path()).unwrap();
    let progress = if of == Topic::Orders { &stages.intake_progress } else { &stages.matching_progress };
    let ended = Stages::wait_for_end(progress);
    let WorkerState::Halted(why) = ended else { panic!("{ended:?}") };
    assert_eq!(ends(), before, "the stage refused what a stage wrote");
    why
}

#[test]
fn intake_halts_at_an_own_record_of_a_newer_version_or_type() {
    check_halts(&rewritten(Topic::Orders, "\"version\":\"2.0\"", "\"version\":\"3.0\""), Topic::Orders);
    check_halts(&rewritten(Topic::Orders, "\"OrderAccepted\"", "\"OrderGranted\""), Topic::Orders);
}

#[test]
fn matching_halts_at_the_next_record_of_a_newer_version_or_type() {
    check_halts(&rewritten(Topic::Books, "\"version\":\"2.0\"", "\"version\":\"3.0\""), Topic::Books);
    check_halts(&rewritten(Topic::Books, "\"OrderAccepted\"", "\"OrderGranted\""), Topic::Books);
}
