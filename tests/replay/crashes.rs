//! The stages on a log that loses what is on its way: crash, perhaps lose files, start again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::EventLog;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_tests::stages::{PARTITIONS, Stages, append};
use tempfile::TempDir;

use crate::Seen;
use crate::flow::Flow;
use crate::folds::Live;
use orderledger_tests::dice::Dice;

const PATIENCE: Duration = Duration::from_secs(60);

/// A log at rest, and the live projections at its end.
pub(crate) struct World {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) key: StreamKey,
    pub(crate) secret: [u8; 16],
    pub(crate) live: Live,
}

/// Some hundred records from outside while the stages crash and start again, then rest.
pub(crate) fn run(seed: u64, seen: &Seen) -> World {
    let mut dice = Dice::new(seed ^ 0x00c0_ffee);
    let secret = if seed.is_multiple_of(2) { [0; 16] } else { [7; 16] };
    let key = StreamKey::new(secret);
    let log = Arc::new(MemoryLog::new(PARTITIONS).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let live = Live::start(&(Arc::clone(&log) as Arc<dyn EventLog>), key);
    let mut flow = Flow::new(seed);
    for _ in 0..dice.range(4, 8) {
        let stages = Stages::start_keyed(&log, dir.path(), key).unwrap();
        for _ in 0..dice.range(10, 90) {
            append(&log, flow.ask());
        }
        if dice.percent(25) {
            stages.stop();
        } else {
            crash(&log, stages, &mut dice, seen);
        }
        lose_files(&dir, &mut dice);
    }
    let stages = Stages::start_keyed(&log, dir.path(), key).unwrap();
    for _ in 0..30 {
        append(&log, flow.ask());
    }
    stages.settle(&log);
    live.settle(&*log);
    stages.stop();
    World { log, key, secret, live }
}

/// Holds what the stages write, lets some of it through, loses the rest, and ends them.
fn crash(log: &MemoryLog, stages: Stages, dice: &mut Dice, seen: &Seen) {
    log.hold();
    for _ in 0..dice.range(1, 6) {
        wait_for_a_batch(log, &stages);
        let count = usize::try_from(dice.range(0, 4)).unwrap();
        if dice.percent(20) {
            log.release_next_unacknowledged(count);
        } else {
            log.release_next(count);
        }
    }
    wait_for_a_batch(log, &stages);
    seen.add("batches lost", u64::try_from(log.lose_waiting()).unwrap());
    seen.add("crashes", 1);
    // What a stage sends before it knows of the loss comes through: there is a gap then.
    log.release();
    drop(stages);
}

/// Waits until a batch waits, or the stages have nothing to write or have ended.
fn wait_for_a_batch(log: &MemoryLog, stages: &Stages) {
    let deadline = Instant::now() + PATIENCE;
    while log.waiting() == 0 && !stages.are_settled(log) && !stages.has_ended() {
        assert!(Instant::now() < deadline, "the stages hang");
        std::thread::yield_now();
    }
}

/// Marks, snapshots or the index of ids may be gone after a crash.
fn lose_files(dir: &TempDir, dice: &mut Dice) {
    let stages = dir.path().join("stages");
    match dice.range(0, 10) {
        0..3 => remove(&stages, &|name| name == "mark"),
        3 => remove(&stages, &|name| name.ends_with(".snapshot")),
        4 => remove(&stages, &|_| true),
        5 => std::fs::remove_file(dir.path().join("ids.redb")).unwrap(),
        _ => {}
    }
}

fn remove(stages: &Path, what: &dyn Fn(&str) -> bool) {
    for stage in std::fs::read_dir(stages).into_iter().flatten() {
        for file in std::fs::read_dir(stage.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if what(path.file_name().unwrap().to_str().unwrap()) {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}
