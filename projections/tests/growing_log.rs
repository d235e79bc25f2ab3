//! A rebuild beside writers: what is appended while it folds is neither folded nor passed over.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use orderledger_domain::position::Topic;
use orderledger_domain::stream::StreamKey;
use orderledger_projections::audit::Audit;
use orderledger_projections::rebuild::fold_to_end;
use orderledger_projections::worker::any::AnyFolding;
use orderledger_projections::worker::fold::Fold;
use orderledger_projections::worker::folding::Folding;
use orderledger_store::event_log::memory::MemoryLog;
use orderledger_store::event_log::{AppenderKind, EventLog, NewRecord};
use orderledger_store::views::{Schema, View};

fn append(log: &MemoryLog, value: &'static [u8]) {
    let (done, acknowledged) = std::sync::mpsc::channel();
    let value = Some(bytes::Bytes::from_static(value));
    let record = NewRecord { to: Topic::Orders.at(0), key: None, value, headers: Vec::new() };
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(vec![record], Box::new(move |result| done.send(result).unwrap())).unwrap();
    acknowledged.recv().unwrap().unwrap();
}

#[test]
fn records_appended_meanwhile_are_left_for_the_next_pass() {
    let log = MemoryLog::new(1).unwrap();
    append(&log, b"one");
    log.skip_offsets(Topic::Orders.at(0), 1).unwrap();
    let key = StreamKey::default();
    let view = Arc::new(View::in_memory(Schema { name: Audit::NAME, version: Audit::SCHEMA }));
    let folding = Folding::<Audit>::resume(view, &log, &key, "memory").unwrap();
    let mut foldings: Vec<Box<dyn AnyFolding>> = vec![Box::new(folding)];
    let mut grown = false;
    let mut grow = |_| {
        if !std::mem::replace(&mut grown, true) {
            append(&log, b"two");
        }
    };
    let first = fold_to_end(&log, &key, &mut foldings, &BTreeMap::new(), &mut grow).unwrap();
    assert_eq!(first.records, 1);
    let from: BTreeMap<_, _> = foldings.iter().flat_map(|folding| folding.positions()).collect();
    assert_eq!(from.get(&Topic::Orders.at(0)), Some(&2));
    let second = fold_to_end(&log, &key, &mut foldings, &from, &mut |_| {}).unwrap();
    assert_eq!(second.records, 1, "the record appended meanwhile was passed over");
}
