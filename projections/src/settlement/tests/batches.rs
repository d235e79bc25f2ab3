//! The rows follow from the records alone, not from how they were batched or when the fold was started again.

use super::*;

#[test]
fn batches_and_restarts_leave_the_same_rows() {
    let mut records = super::history::records();
    let unanswered = Log { offset: 100_000, ..Log::default() };
    let mut more = unanswered;
    more.ask(Event::OrderCreated(limit("u", "late", Side::Buy, 1, "1")));
    records.extend(more.records);
    let digest = |batch, reload| {
        let (view, outcomes) = fold(&records, batch, reload).unwrap();
        (view.compute_digest().unwrap().digest, outcomes)
    };
    let expected = digest(1000, false);
    assert!(expected.0.rows > 300, "{:?}", expected.0);
    for (batch, reload) in [(1, false), (1, true), (7, false), (7, true), (64, true), (1000, true)] {
        assert_eq!(digest(batch, reload), expected, "{batch} {reload}");
    }
}

#[test]
fn a_repeat_of_a_stream_changes_nothing() {
    let mut records = super::history::records();
    let before = fold(&records, 100, false).unwrap().0.compute_digest().unwrap().digest;
    let again: Vec<_> =
        records.iter().filter(|read| read.envelope.as_ref().unwrap().stamp.is_some()).cloned().collect();
    records.extend(again.into_iter().map(|mut read| {
        read.position.offset += 100_000;
        read
    }));
    let after = fold(&records, 100, false).unwrap().0.compute_digest().unwrap().digest;
    assert_eq!(before, after);
}
