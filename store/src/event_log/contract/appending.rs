//! Checks of what is written and how it is acknowledged.

use std::sync::mpsc::channel;
use std::thread;

use bytes::Bytes;
use orderledger_domain::position::{Topic, TopicPartition};

use super::{PATIENCE, append, append_and_wait, check_ascending, read_up_to, record, written};
use crate::Error;
use crate::event_log::{AppenderKind, EventLog, NewRecord, ReaderKind};

pub(super) fn check(make: &dyn Fn(u32) -> Box<dyn EventLog>) {
    check_append_in_order(&*make(2));
    check_bytes(&*make(1));
    check_batch_over_topics(&*make(3));
    check_acknowledgement_order(&*make(4));
    check_two_appenders(&*make(2));
    check_empty_batch(&*make(1));
    check_unknown_partition(&*make(2));
    check_close(&*make(1));
}

fn check_append_in_order(log: &dyn EventLog) {
    let at = Topic::Orders.at(1);
    let batch: Vec<NewRecord> = (0..3000).map(|n| record(at, "u", format!("{n}"))).collect();
    let mut offsets = append_and_wait(log, batch[..10].to_vec());
    offsets.extend(append_and_wait(log, batch[10..].to_vec()));
    assert_eq!(log.read(Topic::Orders.at(0), 0, 10).unwrap(), []);
    let records = log.read(at, 0, 5000).unwrap();
    check_ascending(&records);
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), offsets);
    assert_eq!(records.iter().map(|record| written(at, record)).collect::<Vec<_>>(), batch);
    assert!(records.iter().all(|record| record.recorded_at_ms > 0));
}

fn check_bytes(log: &dyn EventLog) {
    let at = Topic::Trades.at(0);
    let some = |bytes: &[u8]| Some(Bytes::copy_from_slice(bytes));
    let every_byte: Vec<u8> = (0..=255).collect();
    let headers = vec![
        ("trace".to_owned(), Bytes::from_static(b"")),
        ("binary".to_owned(), Bytes::from(every_byte.clone())),
        ("trace".to_owned(), Bytes::from_static(b"again")),
    ];
    let line = |key, value| NewRecord { to: at, key, value, headers: Vec::new() };
    let batch = vec![
        line(None, None),
        line(None, some(b"value")),
        line(some(b"key"), None),
        line(some(b""), some(b"")),
        line(some(&every_byte), some(&every_byte.repeat(700))),
        line(some(b"key"), some(&[0; 200_000])),
        NewRecord { to: at, key: some(b"key"), value: some("größer".as_bytes()), headers },
    ];
    append_and_wait(log, batch.clone());
    let records = log.read(at, 0, 100).unwrap();
    assert_eq!(records.iter().map(|record| written(at, record)).collect::<Vec<_>>(), batch);
    let mut reader = log.reader(&[(at, 0)], ReaderKind::Live).unwrap();
    let read = read_up_to(&mut *reader, &[(at, log.end_offset(at).unwrap())]);
    assert_eq!(read[&at], records);
}

fn check_batch_over_topics(log: &dyn EventLog) {
    let places: Vec<TopicPartition> = Topic::ALL.into_iter().flat_map(|topic| [topic.at(2), topic.at(0)]).collect();
    let batch: Vec<NewRecord> = (0..400).map(|n| record(places[n % places.len()], "k", format!("{n}"))).collect();
    let offsets = append_and_wait(log, batch.clone());
    assert_eq!(offsets.len(), batch.len());
    for place in places {
        let records = log.read(place, 0, 1000).unwrap();
        let expected = batch.iter().zip(&offsets).filter(|(record, _)| record.to == place);
        let found = records.iter().map(|record| (written(place, record), record.offset));
        assert!(found.eq(expected.map(|(record, offset)| (record.clone(), *offset))), "{place}");
    }
}

fn check_acknowledgement_order(log: &dyn EventLog) {
    let appender = log.appender(AppenderKind::Stage).unwrap();
    let (sender, receiver) = channel();
    for n in 0..500_u32 {
        let sender = sender.clone();
        let batch = vec![record(Topic::Books.at(n % 4), "S", n.to_string()), record(Topic::Orders.at(0), "u", "x")];
        let done = move |result: Result<Vec<u64>, Error>| sender.send((n, result)).unwrap_or_default();
        appender.append(batch, Box::new(done)).unwrap();
    }
    let mut last_offset = None;
    for n in 0..500 {
        let (acknowledged, result) = receiver.recv_timeout(PATIENCE).expect("no acknowledgement");
        assert_eq!(acknowledged, n);
        let offset = result.unwrap()[1];
        assert!(last_offset < Some(offset));
        last_offset = Some(offset);
    }
}

fn check_two_appenders(log: &dyn EventLog) {
    let at = Topic::Orders.at(0);
    thread::scope(|scope| {
        for name in ["a", "b"] {
            scope.spawn(move || {
                let appender = log.appender(AppenderKind::Client).unwrap();
                let waiting: Vec<_> =
                    (0..300).map(|n| append(&*appender, vec![record(at, name, n.to_string())])).collect();
                for receiver in waiting {
                    receiver.recv_timeout(PATIENCE).expect("no acknowledgement").unwrap();
                }
            });
        }
    });
    let records = log.read(at, 0, 1000).unwrap();
    check_ascending(&records);
    for name in ["a", "b"] {
        let own = records.iter().filter(|record| record.key.as_deref() == Some(name.as_bytes()));
        let values: Vec<String> =
            own.map(|record| String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap()).collect();
        assert_eq!(values, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

fn check_empty_batch(log: &dyn EventLog) {
    assert_eq!(append_and_wait(log, Vec::new()), Vec::<u64>::new());
    assert_eq!(log.end_offset(Topic::Orders.at(0)).unwrap(), 0);
}

fn check_unknown_partition(log: &dyn EventLog) {
    let stray = Topic::Orders.at(2);
    let appender = log.appender(AppenderKind::Client).unwrap();
    let batch = vec![record(Topic::Orders.at(0), "u", "x"), record(stray, "u", "x")];
    let refused = appender.append(batch, Box::new(|_| panic!("answered though refused")));
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    assert!(matches!(log.end_offset(stray), Err(Error::Refused { .. })));
    assert!(matches!(log.first_offset(stray), Err(Error::Refused { .. })));
    assert!(matches!(log.read(stray, 0, 1), Err(Error::Refused { .. })));
    assert!(matches!(log.reader(&[(stray, 0)], ReaderKind::Live), Err(Error::Refused { .. })));
    assert_eq!(log.end_offset(Topic::Orders.at(0)).unwrap(), 0);
}

fn check_close(log: &dyn EventLog) {
    let at = Topic::Orders.at(0);
    let appender = log.appender(AppenderKind::Stage).unwrap();
    let waiting: Vec<_> = (0..100).map(|n| append(&*appender, vec![record(at, "u", n.to_string())])).collect();
    log.close();
    for receiver in waiting {
        receiver.try_recv().expect("close returned before an acknowledgement").unwrap();
    }
    let refused = appender.append(vec![record(at, "u", "late")], Box::new(|_| panic!("answered though closed")));
    assert!(matches!(refused, Err(Error::Closed { .. })), "{refused:?}");
    assert_eq!(log.read(at, 0, 1000).unwrap().len(), 100);
    log.close();
}
