//! The end of a stage whose outbox is full: what it has read but not handed on is read again by the next start.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::stage::emitter::{EmittedMarks, Emitter, Output};
use orderledger_projections::stage::fold::{Failure, StageFold};
use orderledger_projections::stage::runner;
use orderledger_projections::worker::partition::Accounting;
use orderledger_projections::worker::progress::{Progress, Standing};
use orderledger_projections::worker::read::Read;
use orderledger_projections::worker::stop::Stop;
use orderledger_store::Error;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};

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
        let mut to = self.emitter.cause(read.position.offset, Timestamp::default());
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
        Accounting::default()
    }

    fn image(&self) -> Result<Vec<u8>, Error> {
        orderledger_store::codec::encode(1, &(self.emitter.marks(), self.next_offset, self.last))
    }

    fn restore(&mut self, image: &[u8]) -> Result<(), Error> {
        let (marks, next_offset, last): (EmittedMarks, _, _) = orderledger_store::codec::decode(1, image)?;
        self.emitter.resume(&marks);
        (self.next_offset, self.last) = (next_offset, last);
        Ok(())
    }

    fn end_batch(_: &mut [Counting], (): &mut (), _: bool) -> Result<(), Error> {
        Ok(())
    }

    fn begin_again((): &mut ()) {}

    fn supports_resuming((): &(), _: u32, _: u64) -> bool {
        true
    }
}

fn start(log: &Arc<MemoryLog>, directory: &Path, stop: &Stop) -> runner::Running {
    let setup = runner::Setup {
        log: Arc::clone(log) as Arc<dyn EventLog>,
        source: Topic::Orders,
        directory: directory.to_owned(),
        key: StreamKey::default(),
        shared: (),
        progress: Progress::new(Standing::default()),
        answers: None,
        stop: stop.clone(),
    };
    runner::start::<Counting>(setup).unwrap()
}

/// One record into each of both partitions, seen together.
fn append(log: &MemoryLog, outputs: usize) {
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
    let stop = Stop::default();
    let running = start(&log, dir.path(), &stop);
    append(&log, 1);
    wait_for("the first records' outputs", || written(0) == 1 && written(1) == 1);
    log.hold();
    append(&log, MANY);
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
    let running = start(&log, dir.path(), &stop);
    wait_for("the outputs that did not fit", || written(0).min(written(1)) == 1 + u64::try_from(MANY).unwrap());
    stop.set();
    running.join();
}
