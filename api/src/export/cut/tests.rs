//! A log that grows between any two questions, and what the ends of it leave out.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Mutex;

use orderledger_domain::envelope::{Cause, Stamp, write_derived};
use orderledger_domain::event::EventType;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{Appender, AppenderKind, MemoryLog, NewRecord, Reader, ReaderKind};

use super::*;

/// A log to which somebody appends between any two questions: each record follows from the one before it.
struct Busy {
    log: MemoryLog,
    /// Where the newest record stands, and how many there are.
    newest: Mutex<(Position, u64)>,
    steps: usize,
}

impl Busy {
    fn new(steps: usize) -> Busy {
        let busy = Busy {
            log: MemoryLog::new(PARTITIONS).unwrap(),
            newest: Mutex::new((Topic::Orders.at(0).offset(0), 0)),
            steps,
        };
        (0..20).for_each(|_| busy.step());
        busy
    }

    fn step(&self) {
        let mut newest = self.newest.lock().unwrap();
        let (cause, number) = *newest;
        // Backwards through the partitions, and each topic in turn: what is asked for last comes first.
        let topic = Topic::ALL[number as usize % 3];
        let to = topic.at(PARTITIONS - 1 - (number / 3) as u32 % PARTITIONS);
        let stamp = Stamp { cause: Cause { position: cause, index: 0 }, sequence: 1, prev: 0, key: None, takes: None };
        let value = write_derived(EventType::OrderAccepted, b"{}", Timestamp::from_millis(1), &stamp, "intake");
        let record = NewRecord { to, key: None, value: Some(value.into()), headers: Vec::new() };
        let (told, offsets) = std::sync::mpsc::channel();
        let appender = self.log.appender(AppenderKind::Stage).unwrap();
        appender.append(vec![record], Box::new(move |done| told.send(done).unwrap())).unwrap();
        *newest = (to.offset(offsets.recv().unwrap().unwrap()[0]), number + 1);
    }
}

const PARTITIONS: u32 = 3;

impl EventLog for Busy {
    fn partitions(&self) -> u32 {
        self.log.partitions()
    }
    fn appender(&self, kind: AppenderKind) -> Result<Box<dyn Appender>, Error> {
        self.log.appender(kind)
    }
    fn reader(&self, from: &[(TopicPartition, u64)], kind: ReaderKind) -> Result<Box<dyn Reader>, Error> {
        self.log.reader(from, kind)
    }
    fn first_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        self.log.first_offset(of)
    }
    fn end_offset(&self, of: TopicPartition) -> Result<u64, Error> {
        (0..self.steps).for_each(|_| self.step());
        self.log.end_offset(of)
    }
    fn read(&self, of: TopicPartition, from: u64, max: usize) -> Result<Vec<Record>, Error> {
        self.log.read(of, from, max)
    }
    fn commits_batches_atomically(&self) -> bool {
        false
    }
    fn close(&self) {
        self.log.close();
    }
}

/// The records below these ends whose cause is not.
fn without_cause(log: &dyn EventLog, ends: &Ends) -> usize {
    let mut found = 0;
    for (of, end) in ends {
        let records = log.read(*of, 0, usize::MAX).unwrap();
        let below = records.iter().filter(|record| record.offset < *end);
        found += below.filter_map(cause).filter(|cause| !is_below(ends, *cause)).count();
    }
    found
}

#[test]
fn no_record_is_below_the_ends_without_its_cause() {
    for steps in 0..9 {
        let busy = Busy::new(steps);
        // Asking alone is not enough, or this test shows nothing.
        assert_eq!(without_cause(&busy, &ends(&busy).unwrap()) > 0, steps > 0, "{steps} appended between");
        assert_eq!(without_cause(&busy, &consistent_ends(&busy).unwrap()), 0, "{steps} appended between");
    }
}

#[test]
fn what_goes_to_books_is_not_without_what_was_written_to_orders_before() {
    let derived = |at: (Topic, u64), cause: u64| Derived {
        at: at.0.at(0).offset(at.1),
        cause: Topic::Orders.at(0).offset(cause),
    };
    let written = [
        derived((Topic::Orders, 11), 9),
        derived((Topic::Orders, 12), 10),
        derived((Topic::Books, 5), 10),
        derived((Topic::Orders, 14), 13),
    ];
    let most = Ends::from([(Topic::Orders.at(0), 20), (Topic::Books.at(0), 6)]);
    let grown = |books: u64| {
        let mut cut = Ends::from([(Topic::Orders.at(0), 8), (Topic::Books.at(0), books)]);
        grow(&mut cut, &most, &written);
        cut[&Topic::Orders.at(0)]
    };
    assert_eq!((grown(5), grown(6)), (8, 13));
}

#[test]
fn a_forged_cause_moves_no_end_beyond_the_log() {
    let forged = Derived { at: Topic::Orders.at(0).offset(0), cause: Topic::Orders.at(0).offset(u64::MAX) };
    let mut cut = Ends::from([(Topic::Orders.at(0), 1)]);
    grow(&mut cut, &Ends::from([(Topic::Orders.at(0), 5)]), &[forged]);
    assert_eq!(cut[&Topic::Orders.at(0)], 1);
}
