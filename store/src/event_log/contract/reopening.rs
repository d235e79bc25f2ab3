//! Checks of durable adapters: what was acknowledged is there after the log is opened again.

use orderledger_domain::position::Topic;

use super::{append, append_and_wait, check_ascending, read_up_to, record};
use crate::event_log::{AppenderKind, EventLog, NewRecord, ReaderKind, Record};

/// Runs the checks on one log, empty at first, that every call of `open` opens again; its topics have `partitions`.
pub fn check_reopen(partitions: u32, open: &dyn Fn() -> Box<dyn EventLog>) {
    let at = Topic::Orders.at(partitions - 1);
    let other = Topic::DeadLetters.at(0);
    let mut offsets = Vec::new();
    let mut before: Vec<Record> = Vec::new();
    for round in 0..3 {
        let log = open();
        assert_eq!(log.partitions(), partitions);
        assert_eq!(log.read(at, 0, 100_000).unwrap(), before, "round {round}");
        let end = log.end_offset(at).unwrap();
        assert!(before.last().is_none_or(|last| last.offset < end));
        let mut reader = log.reader(&[(at, 0), (other, 0)], ReaderKind::Rebuild).unwrap();
        let ends = [(at, end), (other, log.end_offset(other).unwrap())];
        assert_eq!(read_up_to(&mut *reader, &ends).remove(&at).unwrap_or_default(), before);
        let batch: Vec<NewRecord> = (0..1200).map(|n| record(at, "u", format!("{round} {n}"))).collect();
        offsets.extend(append_and_wait(&*log, batch));
        append_and_wait(&*log, vec![record(other, "u", "x")]);
        before = log.read(at, 0, 100_000).unwrap();
        assert_eq!(before.iter().map(|record| record.offset).collect::<Vec<_>>(), offsets);
        check_ascending(&before);
    }
    check_drop_finishes(open);
}

/// A log that is dropped has written and answered what was queued.
fn check_drop_finishes(open: &dyn Fn() -> Box<dyn EventLog>) {
    let at = Topic::Trades.at(0);
    let log = open();
    let waiting: Vec<_> = {
        let appender = log.appender(AppenderKind::Stage).unwrap();
        (0..50).map(|n| append(&*appender, vec![record(at, "S", n.to_string())])).collect()
    };
    drop(log);
    for receiver in waiting {
        receiver.try_recv().expect("dropped before an acknowledgement").unwrap();
    }
    assert_eq!(open().read(at, 0, 100).unwrap().len(), 50);
}
