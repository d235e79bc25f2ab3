//! An answer found in the log is intake's own, whatever else claims to be it.

use std::sync::Arc;

use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::EventType;
use orderledger_domain::position::{Position, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_projections::intake::answers;
use orderledger_store::event_log::NewRecord;
use orderledger_store::event_log::memory::MemoryLog;

use crate::harness::{PARTITIONS, Stages, append, deposit, id, outside, records};

const KEY: StreamKey = StreamKey::new([7; 16]);

fn home() -> TopicPartition {
    outside(id(0), &deposit("u1", "USD", 1)).to
}

/// A credit that somebody wrote who knows the topics, but not the key: what the answer there says, to another question.
fn forged(log: &MemoryLog, asked: Position, sequence: u64, prev: u64) -> NewRecord {
    let answer = envelope::read(records(log, home())[1].value.as_deref()).unwrap();
    let payload = envelope::payload_bytes(&answer.event.unwrap());
    let stamp = Stamp { cause: Cause { position: asked, index: 0 }, sequence, prev, key: None, takes: None };
    let time = Timestamp::from_millis(0);
    let value = envelope::write_derived(EventType::AccountCredited, &payload, time, &stamp, "intake");
    NewRecord { to: home(), key: Some(b"u1"[..].into()), value: Some(value.into()), headers: Vec::new() }
}

/// What `metadata.prev` says of the record there.
fn prev_at(log: &MemoryLog, offset: usize) -> u64 {
    let record = &records(log, home())[offset];
    envelope::read(record.value.as_deref()).unwrap().stamp.unwrap().prev
}

fn found(log: &MemoryLog, asked: u64) -> Option<u64> {
    let found = answers::find(log, &KEY, home().offset(asked)).unwrap();
    found.map(|answer| answer.position.offset)
}

#[test]
fn a_forged_record_answers_no_retry() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    let ask = |number| append(&log, vec![outside(id(number), &deposit("u1", "USD", 1))]);
    ask(0);
    Stages::start_keyed(&log, dir.path(), KEY).unwrap().settle(&log);
    assert_eq!(found(&log, 0), Some(1));
    ask(1);
    // Whoever writes knows every `prev` that was written, and no later one.
    let asked = home().offset(2);
    let first = prev_at(&log, 1);
    append(&log, [(1, 0), (2, 0), (2, first)].map(|(number, prev)| forged(&log, asked, number, prev)).to_vec());
    assert_eq!(found(&log, 2), None);
    let stages = Stages::start_keyed(&log, dir.path(), KEY).unwrap();
    stages.settle(&log);
    // The first of the forged can't be told from a repeat, and is answered by nobody; the others are refused.
    assert_eq!((found(&log, 2), found(&log, 3), found(&log, 4), found(&log, 5)), (Some(6), None, Some(7), Some(8)));
    // What is copied from the right answer comes behind it.
    append(&log, vec![forged(&log, asked, 2, prev_at(&log, 6))]);
    assert_eq!(found(&log, 2), Some(6));
    stages.stop();
}

#[test]
fn the_record_before_an_answer_may_stand_far_before_the_question() {
    let (log, dir) = (Arc::new(MemoryLog::new(PARTITIONS).unwrap()), tempfile::tempdir().unwrap());
    append(&log, vec![outside(id(0), &deposit("u1", "USD", 1))]);
    let stages = Stages::start_keyed(&log, dir.path(), KEY).unwrap();
    stages.settle(&log);
    stages.stop();
    // All these wait for their answers behind the only one that stands there.
    append(&log, (1..5_000).map(|number| outside(id(number), &deposit("u1", "USD", 1))).collect());
    let stages = Stages::start_keyed(&log, dir.path(), KEY).unwrap();
    stages.settle(&log);
    for asked in [2, 3, 1_000, 5_000] {
        let answer = found(&log, asked).unwrap();
        let record = &records(&log, home())[usize::try_from(answer).unwrap()];
        let stamp = envelope::read(record.value.as_deref()).unwrap().stamp.unwrap();
        assert_eq!(stamp.cause.position.offset, asked);
    }
    stages.stop();
}
