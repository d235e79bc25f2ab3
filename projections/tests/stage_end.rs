//! Stages that end or begin again: what one has read but not handed on is read again, and it says what it is doing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::rules::Rules;
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::stage::emitter::{EmittedMarks, Emitter, Output};
use orderledger_projections::stage::fold::{Failure, StageFold};
use orderledger_projections::stage::gate::Gate;
use orderledger_projections::stage::runner;
use orderledger_projections::worker::clock::Clock;
use orderledger_projections::worker::partition::Accounting;
use orderledger_projections::worker::progress::{Progress, Standing, WorkerState};
use orderledger_projections::worker::read::Read;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{Appender, AppenderKind, EventLog, NewRecord, Reader, ReaderKind, Record};
use orderledger_store::id_index::Kept;
use orderledger_store::{At, Error};

/// More than half of what an outbox takes.
const MANY: usize = 40_000;

/// Emits as many records as the record it reads says.
struct Counting {
    partition: u32,
    emitter: Emitter,
    next_offset: u64,
    last: Option<(u64, u64)>,
}

impl StageFold for Counting {
    const NAME: &'static str = "counting";
    const SCHEMA: u16 = 1;
    type Shared = ();

    fn new(partition: u32, _: u32, key: StreamKey) -> Counting {
        let emitter = Emitter::new(Topic::Orders.at(partition), Self::NAME, key);
        Counting { partition, emitter, next_offset: 0, last: None }
    }

    fn step(&mut self, read: &Read, (): &mut (), outputs: &mut Vec<Output>) -> Result<(), Failure> {
        let count: usize = std::str::from_utf8(read.value.as_deref().unwrap()).unwrap().parse().unwrap();
        let mut to = self.emitter.cause(read, Rules::default(), Timestamp::default());
        for _ in 0..count {
            to.emit_payload(Topic::DeadLetters.at(self.partition), "k", EventType::RecordRefused, b"{}", outputs);
        }
        self.next_offset = read.position.offset.saturating_add(1);
        self.last = Some((read.position.offset, read.digest));
        Ok(())
    }

    fn next_offset(&self) -> u64 {
        self.next_offset
    }

    fn last(&self) -> Option<(u64, u64)> {
        self.last
    }

    fn accounting(&self) -> Accounting {
        Accounting { applied: self.next_offset, ..Accounting::default() }
    }

    fn image(&self) -> Result<Vec<u8>, Error> {
        orderledger_store::codec::encode(1, &(self.emitter.marks(), self.next_offset, self.last))
    }

    fn restore(&mut self, image: &[u8]) -> Result<(), Error> {
        let (marks, next_offset, last): (EmittedMarks, _, _) = orderledger_store::codec::decode(1, image)?;
        self.emitter.resume(&marks, None)?;
        (self.next_offset, self.last) = (next_offset, last);
        Ok(())
    }

    fn end_batch(_: &mut [Counting], (): &mut (), _: bool) -> Result<Kept, Error> {
        Ok(Kept::already())
    }

    fn begin_again((): &mut ()) {}

    fn supports_resuming((): &(), _: u32, _: u64) -> bool {
        true
    }
}

fn start(log: Arc<dyn EventLog>, directory: &Path, progress: &Progress, stop: &Stop) -> runner::Running {
    start_with(runner::SNAPSHOT_RECORDS, log, directory, progress, stop)
}

fn start_with(
    snapshot_records: u64,
    log: Arc<dyn EventLog>,
    directory: &Path,
    progress: &Progress,
    stop: &Stop,
) -> runner::Running {
    let setup = runner::Setup {
        log,
        source: Topic::Orders,
        directory: directory.into(),
        key: StreamKey::default(),
        shared: (),
        progress: progress.clone(),
        answers: None,
        stop: stop.clone(),
        clock: Clock::default(),
        snapshot_records,
        place: Gate::default().place(),
    };
    runner::start::<Counting>(setup).unwrap()
}

/// One record into each of both partitions, seen together.
fn append(log: &dyn EventLog, outputs: usize) {
    let value = Some(Bytes::from(outputs.to_string()));
    let record = |to: TopicPartition| NewRecord { to, key: None, value: value.clone(), headers: Vec::new() };
    let batch = vec![record(Topic::Orders.at(0)), record(Topic::Orders.at(1))];
    log.appender(AppenderKind::Client).unwrap().append(batch, Box::new(drop)).unwrap();
}

fn wait_for(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_full_outbox_did_not_take_is_written_by_the_next_start() {
    let (log, dir) = (Arc::new(MemoryLog::new(2).unwrap()), tempfile::tempdir().unwrap());
    let written = |partition| log.end_offset(Topic::DeadLetters.at(partition)).unwrap();
    let (stop, progress) = (Stop::default(), Progress::new(Standing::default()));
    let running = start(Arc::clone(&log) as Arc<dyn EventLog>, dir.path(), &progress, &stop);
    append(&*log, 1);
    wait_for("the first records' outputs", || written(0) == 1 && written(1) == 1);
    log.hold();
    append(&*log, MANY);
    log.release_next(1);
    wait_for("one partition's outputs are on their way", || log.waiting() == 1);
    // The other's wait for room; then the end is asked for, and what is on its way is acknowledged after that.
    std::thread::sleep(Duration::from_millis(500));
    stop.set();
    std::thread::sleep(Duration::from_millis(500));
    log.release();
    running.join();
    assert_eq!(written(0).min(written(1)), 1);
    let stop = Stop::default();
    let running = start(Arc::clone(&log) as Arc<dyn EventLog>, dir.path(), &progress, &stop);
    wait_for("the outputs that did not fit", || written(0).min(written(1)) == 1 + u64::try_from(MANY).unwrap());
    stop.set();
    running.join();
}

/// The lowest of all partitions' newest snapshots: before which offset each was kept.
fn kept(directory: &Path) -> u64 {
    let offset = |name: &Path| name.file_stem()?.to_str()?.parse::<u64>().ok();
    let newest = |folder: &Path| {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|name| name.extension().is_some_and(|is| is == "snapshot")).filter_map(|name| offset(&name)).max()
    };
    let folders = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    folders.map(|folder| newest(&folder).unwrap_or(0)).min().unwrap_or(0)
}

#[test]
fn a_snapshot_is_kept_after_as_many_records_as_was_set() {
    let (log, dir) = (Arc::new(MemoryLog::new(2).unwrap()), tempfile::tempdir().unwrap());
    let (stop, progress) = (Stop::default(), Progress::new(Standing::default()));
    let running = start_with(3, Arc::clone(&log) as Arc<dyn EventLog>, dir.path(), &progress, &stop);
    for count in 1..=9 {
        append(&*log, 1);
        wait_for("the outputs", || (0..2).all(|of| log.end_offset(Topic::DeadLetters.at(of)).unwrap() == count));
    }
    wait_for("a snapshot of the last records but three", || kept(dir.path()) >= 6);
    stop.set();
    running.join();
}

/// A log that gives no answer to questions while it is away.
struct Going {
    log: MemoryLog,
    away: AtomicBool,
}

impl Going {
    fn here(&self) -> Result<&MemoryLog, Error> {
        if self.away.load(Ordering::Acquire) { Err(Error::unavailable(At::Log, "no answer")) } else { Ok(&self.log) }
    }
}

impl EventLog for Going {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }

    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        self.log.appender(kind)
    }

    fn reader(&self, from: &[(TopicPartition, u64)], kind: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        self.here()?.reader(from, kind)
    }

    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.here()?.first_offset(of)
    }

    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.here()?.end_offset(of)
    }

    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        self.here()?.read(of, from, max)
    }

    fn commits_batches_atomically(&self) -> bool {
        self.log.commits_batches_atomically()
    }

    fn close(&self) {
        self.log.close();
    }
}

#[test]
fn a_stage_that_begins_again_is_not_live_until_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Going { log: MemoryLog::new(2).unwrap(), away: AtomicBool::new(false) });
    let (stop, progress) = (Stop::default(), Progress::new(Standing::default()));
    let running = start(Arc::clone(&log) as Arc<dyn EventLog>, dir.path(), &progress, &stop);
    append(&*log, 1);
    let written = |partition| log.log.end_offset(Topic::DeadLetters.at(partition)).unwrap();
    // Else their outputs would be what is let through below.
    wait_for("the first records' outputs", || written(0) == 1 && written(1) == 1);
    wait_for("it is live", || progress.standing().state == WorkerState::Live);
    log.log.hold();
    append(&*log, 1);
    log.log.release_next(1);
    wait_for("its outputs are on their way", || log.log.waiting() > 0);
    log.away.store(true, Ordering::Release);
    log.log.lose_waiting();
    wait_for("it is not live", || progress.standing().state == WorkerState::CatchingUp);
    log.log.release();
    log.away.store(false, Ordering::Release);
    wait_for("its outputs", || written(0) >= 2 && written(1) >= 2 && progress.standing().state == WorkerState::Live);
    stop.set();
    running.join();
}
