//! Checks of positions, ends and readers.

use std::thread;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};

use super::{PATIENCE, append, append_and_wait, check_ascending, read_up_to, record};
use crate::Error;
use crate::event_log::{AppenderKind, EventLog, NewRecord, READ_BYTES, ReaderKind};

pub(super) fn check(make: &dyn Fn(u32) -> Box<dyn EventLog>) {
    check_ends(&*make(2));
    check_random_access(&*make(1));
    check_large_records_come_in_pieces(&*make(1));
    check_consume_from_a_position(&*make(2));
    check_unreachable_positions(&*make(1));
    check_poll_waits(&*make(1));
    check_poll_wakes(&*make(1));
    check_readers_are_independent(&*make(1));
    check_fairness(&*make(8));
}

fn numbered(at: TopicPartition, count: usize) -> Vec<NewRecord> {
    (0..count).map(|n| record(at, "k", n.to_string())).collect()
}

fn check_ends(log: &dyn EventLog) {
    let at = Topic::Orders.at(1);
    assert_eq!((log.first_offset(at).unwrap(), log.end_offset(at).unwrap()), (0, 0));
    let offsets = append_and_wait(log, numbered(at, 5));
    assert!(log.end_offset(at).unwrap() > offsets[4]);
    assert!(log.first_offset(at).unwrap() <= offsets[0]);
    assert_eq!(log.end_offset(Topic::Orders.at(0)).unwrap(), 0);
    assert_eq!(log.end_offset(Topic::Books.at(1)).unwrap(), 0);
}

fn check_random_access(log: &dyn EventLog) {
    let at = Topic::Books.at(0);
    let mut offsets = append_and_wait(log, numbered(at, 1500));
    offsets.extend(append_and_wait(log, numbered(at, 1)));
    offsets.extend(append_and_wait(log, numbered(at, 1500)));
    let end = log.end_offset(at).unwrap();
    for (index, max) in [(0, 1), (1, 1), (1023, 3), (1024, 2000), (1499, 2), (1500, 1), (1501, 5), (3000, 9)] {
        let records = log.read(at, offsets[index], max).unwrap();
        let expected: Vec<u64> = offsets[index..].iter().copied().take(max).collect();
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), expected, "{index} {max}");
        let time = log.appended_at(at, offsets[index]).unwrap();
        let none_later = time.is_some_and(|time| time <= records[0].recorded_at_ms);
        assert!(none_later && time >= log.appended_at(at, 0).unwrap(), "{index} {time:?}");
        let known = log.not_appended_before(at, offsets[index]).unwrap();
        assert!(known.is_some() && known <= Some(records[0].recorded_at_ms), "{index} {known:?}");
    }
    for beyond in [end, u64::MAX] {
        assert_eq!(log.appended_at(at, beyond).unwrap(), None);
        assert_eq!(log.not_appended_before(at, beyond).unwrap(), None);
    }
    assert_eq!(log.read(at, offsets[0], 0).unwrap(), []);
    assert_eq!(log.read(at, end, 10).unwrap(), []);
    assert_eq!(log.read(at, end + 100, 10).unwrap(), []);
    assert_eq!(log.read(at, u64::MAX, 10).unwrap(), []);
}

/// Of the largest that a broker takes by default (message.max.bytes).
fn check_large_records_come_in_pieces(log: &dyn EventLog) {
    const LARGE: usize = 1_000_000;
    let at = Topic::Orders.at(0);
    let mut offsets = Vec::new();
    for _ in 0..20 {
        offsets.extend(append_and_wait(log, vec![record(at, "k", "x".repeat(LARGE))]));
    }
    let (mut read, mut pieces, mut from) = (Vec::new(), 0, 0);
    loop {
        let records = log.read(at, from, 1_000).unwrap();
        let Some(last) = records.last() else { break };
        assert!(records.len() * LARGE <= READ_BYTES + 2 * LARGE, "{}", records.len());
        (from, pieces) = (last.offset + 1, pieces + 1);
        read.extend(records.iter().map(|record| record.offset));
    }
    assert_eq!((read, pieces > 1), (offsets, true));
}

fn check_consume_from_a_position(log: &dyn EventLog) {
    let (near, far) = (Topic::Orders.at(0), Topic::Trades.at(1));
    let offsets = append_and_wait(log, numbered(near, 2500));
    append_and_wait(log, numbered(far, 10));
    for kind in [ReaderKind::Live, ReaderKind::Rebuild] {
        for index in [0, 1, 1024, 2000, 2499] {
            let mut reader = log.reader(&[(near, offsets[index]), (far, 0)], kind).unwrap();
            assert_eq!(reader.position(near), offsets[index]);
            assert_eq!(reader.position(Topic::Books.at(0)), 0);
            let ends = [(near, log.end_offset(near).unwrap()), (far, log.end_offset(far).unwrap())];
            let read = read_up_to(&mut *reader, &ends);
            assert_eq!(read[&near].iter().map(|record| record.offset).collect::<Vec<_>>(), offsets[index..]);
            assert_eq!(read[&far].len(), 10);
            check_ascending(&read[&near]);
            for (of, end) in ends {
                assert_eq!(reader.position(of), end);
            }
        }
    }
}

fn check_unreachable_positions(log: &dyn EventLog) {
    let at = Topic::Orders.at(0);
    append_and_wait(log, numbered(at, 3));
    let end = log.end_offset(at).unwrap();
    assert!(log.reader(&[(at, end)], ReaderKind::Live).is_ok());
    let beyond = log.reader(&[(at, end + 1)], ReaderKind::Live);
    assert!(matches!(beyond, Err(Error::Refused { .. })));
}

fn check_poll_waits(log: &dyn EventLog) {
    let mut reader = log.reader(&[(Topic::Orders.at(0), 0)], ReaderKind::Live).unwrap();
    assert_eq!(reader.poll(Duration::ZERO).unwrap(), []);
    let begun = Instant::now();
    assert_eq!(reader.poll(Duration::from_millis(50)).unwrap(), []);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert!(log.reader(&[], ReaderKind::Live).unwrap().poll(Duration::ZERO).unwrap().is_empty());
}

fn check_poll_wakes(log: &dyn EventLog) {
    let at = Topic::Orders.at(0);
    let mut reader = log.reader(&[(at, 0)], ReaderKind::Live).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || reader.poll(PATIENCE).unwrap());
        append_and_wait(log, numbered(at, 1));
        let fetched = waiting.join().unwrap();
        assert_eq!(fetched.len(), 1);
        assert_eq!(fetched[0].from, at);
        assert_eq!(fetched[0].records[0].value.as_deref(), Some(b"0".as_slice()));
    });
}

fn check_readers_are_independent(log: &dyn EventLog) {
    let at = Topic::Orders.at(0);
    append_and_wait(log, numbered(at, 20));
    let end = log.end_offset(at).unwrap();
    let mut first = log.reader(&[(at, 0)], ReaderKind::Live).unwrap();
    let mut second = log.reader(&[(at, 0)], ReaderKind::Rebuild).unwrap();
    assert_eq!(read_up_to(&mut *first, &[(at, end)])[&at].len(), 20);
    assert_eq!(second.position(at), 0);
    assert_eq!(read_up_to(&mut *second, &[(at, end)])[&at].len(), 20);
}

/// A long partition doesn't keep a reader from the short ones.
fn check_fairness(log: &dyn EventLog) {
    let long = Topic::Orders.at(0);
    let value = vec![b'x'; 400];
    let appender = log.appender(AppenderKind::Stage).unwrap();
    let thousand = || (0..1000).map(|_| record(long, "k", value.clone())).collect();
    let waiting: Vec<_> = (0..40).map(|_| append(&*appender, thousand())).collect();
    for receiver in waiting {
        receiver.recv_timeout(PATIENCE).expect("no acknowledgement").unwrap();
    }
    let short: Vec<TopicPartition> = (1..8).map(|partition| Topic::Orders.at(partition)).collect();
    append_and_wait(log, short.iter().flat_map(|at| numbered(*at, 10)).collect());
    for kind in [ReaderKind::Live, ReaderKind::Rebuild] {
        let wanted: Vec<(TopicPartition, u64)> =
            std::iter::once(long).chain(short.iter().copied()).map(|of| (of, 0)).collect();
        let mut reader = log.reader(&wanted, kind).unwrap();
        let ends: Vec<(TopicPartition, u64)> = short.iter().map(|of| (*of, log.end_offset(*of).unwrap())).collect();
        read_up_to(&mut *reader, &ends);
        assert!(reader.position(long) < log.end_offset(long).unwrap(), "the long partition came first");
    }
}
