//! For tests: a ledger of which one projection was let rest, with records that it has not read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use orderledger_domain::position::Topic;
use orderledger_projections::worker::rest::Rest;
use orderledger_store::event_log::NewRecord;

use super::{Ledger, Opened, Settings, ViewHandle};

/// How long a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Runs it on a ledger with so many records in its only partition of `orders`; it may let that projection go on.
pub(crate) fn with_one_at_rest(
    which: fn(&Ledger) -> &Arc<ViewHandle>,
    records: u64,
    test: impl FnOnce(&Arc<Ledger>, Rest),
) {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings { partitions: Some(1), ..Settings::new(home.path().join("data")) };
    let Opened { ledger, workers } = Opened::open(&settings).unwrap();
    let rest = which(&ledger).seat().rest.clone();
    assert!(rest.ask(PATIENCE));
    let of = Topic::Orders.at(0);
    let record = |_| NewRecord { to: of, key: None, value: Some("{}".into()), headers: Vec::new() };
    ledger.appender.append((0..records).map(record).collect(), Box::new(|_| {})).unwrap();
    until("the records stand in the log", || ledger.log.known_end(of).unwrap() >= records);
    test(&ledger, rest);
    workers.stop_and_join();
}
