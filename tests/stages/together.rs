//! Topics that don't belong together: no stage writes before each has found its own records in them.

use std::sync::Arc;

use orderledger_domain::position::Topic;
use orderledger_domain::terms::Side;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::event_log::memory::MemoryLog;

use crate::harness::{PARTITIONS, Stages, append, copy, deposit, id, limit, outside, whole};

/// A log with trades.
fn traded() -> Arc<MemoryLog> {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000_000))]);
    append(&log, vec![outside(id(1), &deposit("seller", "AAPL", 1_000))]);
    for number in 0..50 {
        append(&log, vec![outside(id(100 + number), &limit("buyer", &format!("b{number}"), Side::Buy, 3, 1_000_000))]);
        append(
            &log,
            vec![outside(id(200 + number), &limit("seller", &format!("s{number}"), Side::Sell, 2, 1_000_000))],
        );
    }
    stages.settle(&log);
    stages.stop();
    log
}

/// With a new directory and that topic made anew, one stage halts and neither has written anything.
fn check_nothing_is_written(anew: Topic) {
    let (whole_log, dir) = (traded(), tempfile::tempdir().unwrap());
    let log = copy(&whole_log, |of, _| of.topic != anew);
    let before = whole(&log);
    let stages = Stages::start(&log, dir.path()).unwrap();
    let both = [&stages.intake_progress, &stages.matching_progress];
    let begun = std::time::Instant::now();
    while !both.iter().any(|progress| matches!(progress.standing().state, WorkerState::Halted(_))) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "nobody halts");
        std::thread::yield_now();
    }
    stages.stop();
    assert!(whole(&log) == before, "a stage wrote to a log that the other refuses");
}

#[test]
fn with_orders_made_anew_nothing_is_written() {
    check_nothing_is_written(Topic::Orders);
}

#[test]
fn with_books_made_anew_nothing_is_written() {
    check_nothing_is_written(Topic::Books);
}

#[test]
fn trades_made_anew_are_written_again() {
    let (whole_log, dir) = (traded(), tempfile::tempdir().unwrap());
    let log = copy(&whole_log, |of, _| of.topic != Topic::Trades);
    let stages = Stages::start(&log, dir.path()).unwrap();
    stages.settle(&log);
    let values = |log: &MemoryLog| -> Vec<_> {
        let records = whole(log).into_iter().flat_map(|(_, records)| records);
        records.map(|record| (record.offset, record.value)).collect()
    };
    assert!(values(&log) == values(&whole_log));
    stages.stop();
}
