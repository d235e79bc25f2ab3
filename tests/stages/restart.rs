//! Restarts: with the mark, without it, without any snapshot, ahead of the target logs, beyond the source's end.

use std::path::Path;
use std::sync::Arc;

use orderledger_domain::position::Topic;
use orderledger_domain::terms::Side;
use orderledger_projections::worker::progress::WorkerState;
use orderledger_store::Error;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::memory::MemoryLog;
use tempfile::TempDir;

use crate::harness::{PARTITIONS, Stages, all_partitions, append, copy, deposit, id, limit, outside, taken, whole};

/// A log with some trades, its stages ended in order.
fn traded() -> (Arc<MemoryLog>, TempDir) {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000_000))]);
    append(&log, vec![outside(id(1), &deposit("seller", "AAPL", 1_000))]);
    for number in 0..20 {
        trade(&log, number);
    }
    stages.settle(&log);
    stages.stop();
    (log, dir)
}

fn trade(log: &MemoryLog, number: u64) {
    let (buy, sell) = (format!("b{number}"), format!("s{number}"));
    append(log, vec![outside(id(100 + number), &limit("buyer", &buy, Side::Buy, 3, 1_000_000))]);
    append(log, vec![outside(id(200 + number), &limit("seller", &sell, Side::Sell, 2, 1_000_000))]);
}

fn remove(dir: &Path, what: impl Fn(&str) -> bool) -> usize {
    let mut removed = 0;
    for stage in std::fs::read_dir(dir.join("stages")).unwrap() {
        for file in std::fs::read_dir(stage.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if what(path.file_name().unwrap().to_str().unwrap()) {
                std::fs::remove_file(path).unwrap();
                removed += 1;
            }
        }
    }
    removed
}

/// What readers take of every partition.
fn all_taken(log: &MemoryLog) -> Vec<Vec<orderledger_domain::envelope::Envelope>> {
    all_partitions().map(|partition| taken(log, partition)).collect()
}

/// After a restart readers take what they took before, and the stages work on.
fn check_continues(log: &Arc<MemoryLog>, dir: &Path, repeats_nothing: bool) {
    let (before, taken_before) = (whole(log), all_taken(log));
    let stages = Stages::start(log, dir).unwrap();
    stages.settle(log);
    if repeats_nothing {
        assert!(whole(log) == before, "the restart wrote records");
    }
    assert!(all_taken(log) == taken_before, "readers take something else after the restart");
    trade(log, 77);
    stages.settle(log);
    let trades = |taken: &[Vec<_>]| taken.iter().flatten().filter(is_trade).count();
    assert_eq!(trades(&all_taken(log)), trades(&taken_before) + 1);
}

fn is_trade(envelope: &&orderledger_domain::envelope::Envelope) -> bool {
    envelope.event_type == orderledger_domain::event::EventType::TradeExecuted
}

#[test]
fn with_snapshot_and_mark_nothing_is_written_again() {
    let (log, dir) = traded();
    check_continues(&log, dir.path(), true);
}

#[test]
fn without_the_mark_repeats_are_harmless() {
    let (log, dir) = traded();
    assert!(remove(dir.path(), |name| name == "mark") > 0);
    check_continues(&log, dir.path(), false);
}

#[test]
fn an_older_snapshot_without_a_mark_sends_repeats_that_readers_drop() {
    let (log, dir) = traded();
    let old = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), old.path());
    let stages = Stages::start(&log, dir.path()).unwrap();
    (30..40).for_each(|number| trade(&log, number));
    stages.settle(&log);
    stages.stop();
    remove(old.path(), |name| name == "mark");
    let records: usize = whole(&log).iter().map(|(_, records)| records.len()).sum();
    check_continues(&log, old.path(), false);
    let after: usize = whole(&log).iter().map(|(_, records)| records.len()).sum();
    assert!(after > records + 20, "nothing was sent again: {records} records, then {after}");
}

#[test]
fn a_first_record_is_soon_in_a_snapshot() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000_000))]);
    stages.settle(&log);
    let home = orderledger_domain::partition::of_key(b"buyer", PARTITIONS);
    let kept = dir.path().join(format!("stages/intake-{home}"));
    let is_snapshot = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.ends_with(".snapshot") && name.contains(|digit: char| ('1'..='9').contains(&digit))
    };
    let begun = std::time::Instant::now();
    while !std::fs::read_dir(&kept).is_ok_and(|mut entries| entries.any(is_snapshot)) {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(40),
            "no snapshot: a kill would cost a look at all logs"
        );
        std::thread::yield_now();
    }
    stages.stop();
}

#[test]
fn without_any_snapshot_nothing_is_written_again() {
    let (log, dir) = traded();
    assert!(remove(dir.path(), |_| true) > 0);
    std::fs::remove_file(dir.path().join("ids.redb")).unwrap();
    check_continues(&log, dir.path(), true);
}

#[test]
fn unreadable_snapshots_are_passed_over() {
    let (log, dir) = traded();
    for stage in std::fs::read_dir(dir.path().join("stages")).unwrap() {
        for file in std::fs::read_dir(stage.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"garbage").unwrap();
        }
    }
    check_continues(&log, dir.path(), true);
}

#[test]
fn a_mark_ahead_of_the_target_logs_is_not_used_and_what_is_missing_is_sent_again() {
    let (log, dir) = traded();
    let taken_before = all_taken(&log);
    let trades = (0..PARTITIONS).map(|p| log.end_offset(Topic::Trades.at(p)).unwrap()).max().unwrap();
    let lost = copy(&log, |partition, record| partition.topic != Topic::Trades || record.offset + 5 < trades);
    let stages = Stages::start(&lost, dir.path()).unwrap();
    stages.settle(&lost);
    assert!(all_taken(&lost) == taken_before, "the lost trades are not there again");
}

#[test]
fn a_position_beyond_the_end_of_the_source_is_refused() {
    let (log, dir) = traded();
    let cut = copy(&log, |partition, record| partition.topic != Topic::Books || record.offset < 3);
    let refused = Stages::start(&cut, dir.path());
    let Err(Error::Refused { .. }) = refused.map(drop) else { panic!("it was not refused") };
}

#[test]
fn another_record_at_the_position_is_refused() {
    let (log, dir) = traded();
    let end = (0..PARTITIONS).map(|p| log.end_offset(Topic::Orders.at(p)).unwrap()).collect::<Vec<_>>();
    let other = copy(&log, |partition, record| {
        partition.topic != Topic::Orders || record.offset + 1 < end[partition.partition as usize]
    });
    append(&other, vec![outside(id(999), &deposit("buyer", "USD", 1))]);
    append(&other, vec![outside(id(998), &deposit("seller", "USD", 1))]);
    let refused = Stages::start(&other, dir.path());
    let Err(Error::Refused { .. }) = refused.map(drop) else { panic!("it was not refused") };
}

#[test]
fn a_log_of_other_rules_is_refused_without_a_snapshot() {
    let (log, dir) = traded();
    remove(dir.path(), |_| true);
    // The last answer that a fold from zero gives is another than what stands in the log: the deposit was larger.
    let other = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    for (partition, records) in whole(&log) {
        for mut record in records {
            let text = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
            if text.contains("\"OrderCreated\"") && text.contains("\"b19\"") {
                record.value = Some(text.replace("\"quantity\":3", "\"quantity\":4").into_bytes().into());
            }
            let orderledger_store::event_log::Record { key, value, headers, .. } = record;
            append(&other, vec![orderledger_store::event_log::NewRecord { to: partition, key, value, headers }]);
        }
    }
    let stages = Stages::start(&other, dir.path()).unwrap();
    let ended = Stages::wait_for_end(&stages.intake_progress);
    assert!(matches!(ended, WorkerState::Halted(_)), "{ended:?}");
}

#[test]
fn another_stream_key_is_refused_without_a_snapshot_and_writes_nothing() {
    use orderledger_domain::stream::StreamKey;
    let (log, dir) = traded();
    let before = whole(&log);
    drop(dir);
    let dir = tempfile::tempdir().unwrap();
    let Err(error) = Stages::start_keyed(&log, dir.path(), StreamKey::new(*b"0123456789abcdef")) else {
        panic!("started with another key")
    };
    assert!(error.to_string().contains("--stream-key-file"), "{error}");
    assert!(whole(&log) == before);
}

#[test]
fn a_source_that_lost_its_end_is_refused_without_a_snapshot() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000_000))]);
    for number in 0..5 {
        append(&log, vec![outside(id(number + 1), &limit("buyer", &format!("b{number}"), Side::Buy, 1, 10_000))]);
    }
    stages.settle(&log);
    stages.stop();
    // The books hold orders to which the orders' log, cut after the deposit, never leads.
    let cut = copy(&log, |partition, record| partition.topic != Topic::Orders || record.offset < 1);
    let dir = tempfile::tempdir().unwrap();
    let stages = Stages::start(&cut, dir.path()).unwrap();
    let ended = Stages::wait_for_end(&stages.intake_progress);
    assert!(matches!(ended, WorkerState::Halted(_)), "{ended:?}");
}

#[test]
fn an_empty_source_is_refused_without_a_snapshot() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let stages = Stages::start(&log, dir.path()).unwrap();
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000_000))]);
    for number in 0..5 {
        append(&log, vec![outside(id(number + 1), &limit("buyer", &format!("b{number}"), Side::Buy, 1, 10_000))]);
    }
    stages.settle(&log);
    stages.stop();
    let cut = copy(&log, |partition, _| partition.topic != Topic::Orders);
    let dir = tempfile::tempdir().unwrap();
    let stages = Stages::start(&cut, dir.path()).unwrap();
    let ended = Stages::wait_for_end(&stages.intake_progress);
    assert!(matches!(ended, WorkerState::Halted(_)), "{ended:?}");
}

#[test]
fn without_the_index_of_ids_nothing_is_written_again() {
    let (log, dir) = traded();
    std::fs::remove_file(dir.path().join("ids.redb")).unwrap();
    check_continues(&log, dir.path(), true);
}

#[test]
fn an_end_in_the_middle_of_a_replay_from_zero_writes_nothing_again() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    append(&log, (0..6_000).map(|number| outside(id(number), &deposit("buyer", "USD", 1))).collect());
    let stages = Stages::start(&log, dir.path()).unwrap();
    stages.settle(&log);
    stages.stop();
    let (before, dir) = (whole(&log), tempfile::tempdir().unwrap());
    for _ in 0..5 {
        Stages::start(&log, dir.path()).unwrap().stop();
    }
    let stages = Stages::start(&log, dir.path()).unwrap();
    stages.settle(&log);
    assert!(whole(&log) == before, "what the log had was written again");
}

#[test]
fn offsets_without_records_are_passed() {
    let (log, dir) = traded();
    all_partitions().for_each(|partition| log.skip_offsets(partition, 3).unwrap());
    check_continues(&log, dir.path(), true);
    all_partitions().for_each(|partition| log.skip_offsets(partition, 2).unwrap());
    remove(dir.path(), |_| true);
    std::fs::remove_file(dir.path().join("ids.redb")).unwrap();
    let stages = Stages::start(&log, dir.path()).unwrap();
    stages.settle(&log);
}

#[test]
fn a_crash_between_the_acknowledgements_of_orders_and_books_loses_nothing() {
    lose_the_first_of_books(true);
}

#[test]
fn a_stage_whose_delivery_failed_begins_again_by_itself_and_loses_nothing() {
    lose_the_first_of_books(false);
}

fn lose_the_first_of_books(restart: bool) {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    append(&log, vec![outside(id(0), &deposit("buyer", "USD", 1_000))]);
    append(&log, vec![outside(id(1), &limit("buyer", "b1", Side::Buy, 3, 1_000_000))]);
    log.hold();
    let stages = Stages::start(&log, dir.path()).unwrap();
    // The orders records are written one batch after another until the first books record waits.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let answered = || taken(&log, outside(id(0), &deposit("buyer", "USD", 1)).to).len();
    while answered() < 2 {
        assert!(std::time::Instant::now() < deadline, "intake did not answer");
        log.release_next(1);
    }
    let books = || (0..PARTITIONS).map(|p| log.end_offset(Topic::Books.at(p)).unwrap()).sum::<u64>();
    assert_eq!(books(), 0, "a books record came before its orders record was acknowledged");
    while log.waiting() == 0 {
        assert!(std::time::Instant::now() < deadline, "no books record waits");
    }
    log.lose_waiting();
    let stages = if restart {
        drop(stages);
        log.release();
        Stages::start(&log, dir.path()).unwrap()
    } else {
        log.release();
        stages
    };
    stages.settle(&log);
    assert_eq!(books(), 1);
    assert_eq!(answered(), 2);
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
