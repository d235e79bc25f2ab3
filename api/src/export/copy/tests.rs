//! What was copied is equal, and whatever differs is found where it is.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use bytes::Bytes;
use orderledger_domain::position::Topic;
use orderledger_store::event_log::embedded::{EmbeddedLog, EmbeddedOptions, EmbeddedRestoring};

use super::*;
use crate::export::{export, whole};

fn record(offset: u64) -> Record {
    let value = Some(Bytes::from(format!("record {offset}")));
    let headers = vec![("trace".to_owned(), Bytes::from_static(b"\xff"))];
    Record { offset, recorded_at_ms: 1_736_937_000_000 + i64::try_from(offset).unwrap(), key: None, value, headers }
}

/// A log of two partitions with these records in one of them, and nothing in the others.
fn log(records: Vec<Record>) -> EmbeddedLog {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let mut restoring = EmbeddedRestoring::create(&path, 2).unwrap();
    restoring.take(Topic::Orders.at(1), records).unwrap();
    restoring.sync().unwrap();
    drop(restoring);
    // Unlinked while open: nothing is left behind.
    EmbeddedLog::open(&path, 2, EmbeddedOptions::default()).unwrap()
}

fn records() -> Vec<Record> {
    // More than are read at once, and a hole.
    (0..1_500).chain(1_510..1_520).map(record).collect()
}

/// What is wrong with a log beside the right one, from the log and from a file of it.
fn found(with: &EmbeddedLog) -> [Result<(), String>; 2] {
    let right = log(records());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("export");
    let stretches = whole(&right).unwrap();
    export(&right, &stretches, &mut std::fs::File::create(&path).unwrap(), &mut |_| ()).unwrap();
    let of = |origin: Origin<'_>| compare(&origin, with, &mut |_| ()).map_err(|error| error.to_string());
    [of(Origin::Log(&right, stretches)), of(Origin::File(path))]
}

#[test]
fn a_copy_of_a_log_and_of_its_file_is_equal() {
    assert_eq!(found(&log(records())), [Ok(()), Ok(())]);
    let right = log(records());
    let directory = tempfile::tempdir().unwrap();
    let (file, path) = (directory.path().join("export"), directory.path().join("log.redb"));
    let stretches = whole(&right).unwrap();
    export(&right, &stretches, &mut std::fs::File::create(&file).unwrap(), &mut |_| ()).unwrap();
    let mut restoring = EmbeddedRestoring::create(&path, 2).unwrap();
    assert_eq!(copy(&Origin::File(file), &mut restoring, &mut |_| ()).unwrap(), records().len());
    drop(restoring);
    assert_eq!(found(&EmbeddedLog::open(&path, 2, EmbeddedOptions::default()).unwrap()), [Ok(()), Ok(())]);
}

#[test]
fn whatever_differs_is_found_where_it_is() {
    type Change = fn(&mut Vec<Record>);
    let changes: [(&str, &str, Change); 7] = [
        ("orders-1@1499", "append time", |records| records[1_499].recorded_at_ms += 1),
        ("orders-1@3", "another record", |records| records[3].value = None),
        ("orders-1@3", "another record", |records| records[3].key = Some(Bytes::new())),
        ("orders-1@1512", "another record", |records| records[1_502].headers.clear()),
        ("orders-1@7", "another offset", |records| drop(records.remove(7))),
        ("orders-1@1519", "lacks this record", |records| drop(records.pop())),
        ("orders-1@1520", "never copied", |records| records.push(record(1_520))),
    ];
    for (at, words, change) in changes {
        let mut changed = records();
        change(&mut changed);
        for found in found(&log(changed)) {
            let said = found.unwrap_err();
            assert!(said.contains(at) && said.contains(words), "{at}, {words}: {said}");
        }
    }
}
