//! The worker of analytics makes room for others, and gets there all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};
use orderledger_store::views::View;

use super::{Analytics, SCHEMA};
use crate::parking::breaker::Limits;
use crate::worker::clock::Clock;
use crate::worker::courtesy::Courtesy;
use crate::worker::progress::{Progress, Standing};
use crate::worker::projection::{Setup, start};
use crate::worker::rest::Rest;
use crate::worker::stop::Stop;

const PATIENCE: Duration = Duration::from_secs(60);

static IS_POLITE: AtomicBool = AtomicBool::new(false);

#[test]
fn it_is_polite_and_gets_there_however_far_behind_the_others_are() {
    let (log, stop, courtesy) = (Arc::new(MemoryLog::new(1).unwrap()), Stop::default(), Courtesy::default());
    courtesy.ask(true);
    let progress = Progress::new(Standing::default());
    let as_log: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&log);
    let running = start::<Analytics>(Setup {
        log: as_log,
        key: StreamKey::default(),
        view: Arc::new(View::in_memory(SCHEMA)),
        kept: "memory".to_owned(),
        progress: progress.clone(),
        limits: Limits::default(),
        stop: stop.clone(),
        clock: Clock::default(),
        rest: Rest::default(),
        courtesy: courtesy.clone(),
        be_polite: || IS_POLITE.store(true, Ordering::Release),
        is_live: false,
    });
    let running = running.unwrap();
    let of = Topic::Orders.at(0);
    let value = Some(Bytes::from_static(b"{}"));
    let record = NewRecord { to: of, key: None, value, headers: Vec::new() };
    log.appender(AppenderKind::Client).unwrap().append(vec![record; 3], Box::new(|_| {})).unwrap();
    let begun = Instant::now();
    while !progress.standing().has_applied_below(of, 3) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", progress.standing());
        std::thread::yield_now();
    }
    assert!(IS_POLITE.load(Ordering::Acquire) && courtesy.is_asked());
    stop.set();
    running.join();
}
