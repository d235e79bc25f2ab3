//! A log that is filled from another one has its records where they stood, when they stood there.

use bytes::Bytes;
use orderledger_domain::position::Topic;

use crate::Error;
use crate::event_log::embedded::files::numbers;
use crate::event_log::embedded::{EmbeddedLog, EmbeddedOptions, EmbeddedRestoring};
use crate::event_log::{AppenderKind, EventLog, NewRecord, Record, Restoring};

fn record(offset: u64, recorded_at_ms: i64) -> Record {
    let value = Some(Bytes::from(format!("record {offset} ").repeat(20)));
    let headers = vec![("trace".to_owned(), Bytes::from_static(b"1")), ("trace".to_owned(), Bytes::new())];
    Record { offset, recorded_at_ms, key: offset.is_multiple_of(2).then(|| Bytes::from_static(b"k")), value, headers }
}

/// Holes, a clock that went back, and times further apart than a batch can say.
fn records() -> Vec<Record> {
    let dense = (0..5_000).map(|offset| record(offset, 1_000 + offset as i64 / 3));
    let odd = [(5_002, 900), (5_003, 900), (5_004, 10_000_000_000_000), (9_999, 10_000_000_000_001)];
    dense.chain(odd.map(|(offset, time)| record(offset, time))).collect()
}

#[test]
fn records_keep_offsets_times_and_bytes_and_the_log_goes_on_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    let (of, other) = (Topic::Orders.at(1), Topic::Trades.at(0));
    let in_many_files = EmbeddedOptions { segment_bytes: 0, ..EmbeddedOptions::default() };
    let mut restoring = EmbeddedRestoring::with(&path, 2, &in_many_files).unwrap();
    for chunk in records().chunks(700) {
        restoring.take(of, chunk.to_vec()).unwrap();
        restoring.sync().unwrap();
    }
    assert_eq!(numbers(&path).unwrap().len(), 8);
    restoring.end(of, 10_001).unwrap();
    restoring.take(other, vec![record(0, 7)]).unwrap();
    restoring.end(other, 1).unwrap();
    restoring.sync().unwrap();
    drop(restoring);

    let options = EmbeddedOptions { clock: std::sync::Arc::new(|| 50), ..EmbeddedOptions::default() };
    let log = EmbeddedLog::open(&path, 2, options).unwrap();
    let mut read = Vec::new();
    while let Some(from) = read.last().map_or(Some(0), |last: &Record| last.offset.checked_add(1)) {
        let more = log.read(of, from, 1_000).unwrap();
        if more.is_empty() {
            break;
        }
        read.extend(more);
    }
    assert_eq!(read, records());
    assert_eq!(log.read(other, 0, 9).unwrap(), [record(0, 7)]);
    assert_eq!((log.end_offset(of).unwrap(), log.end_offset(Topic::Books.at(0)).unwrap()), (10_000, 0));

    let (told, offsets) = std::sync::mpsc::channel();
    let new = NewRecord { to: of, key: None, value: None, headers: Vec::new() };
    let appender = log.appender(AppenderKind::Client).unwrap();
    appender.append(vec![new], Box::new(move |done| told.send(done).unwrap())).unwrap();
    assert_eq!(offsets.recv().unwrap().unwrap(), [10_000]);
    // Append times never go back, whatever the clock says.
    assert_eq!(log.read(of, 10_000, 1).unwrap()[0].recorded_at_ms, 10_000_000_000_001);
}

#[test]
fn a_file_that_is_there_and_a_partition_that_is_not_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.redb");
    let mut restoring = EmbeddedRestoring::create(&path, 2).unwrap();
    let refused = restoring.take(Topic::Orders.at(2), vec![record(0, 1)]);
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    let again = EmbeddedRestoring::create(&path, 2).err();
    assert!(matches!(again, Some(Error::Refused { .. })), "{again:?}");
}
